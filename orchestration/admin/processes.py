"""Drover's own processes in the admin: who is alive, who leads."""

from django.conf import settings
from django.contrib import admin
from django.utils import timezone
from django.utils.safestring import SafeString

from orchestration.admin.base import ReadOnlyAdmin
from orchestration.admin.display import age, state
from orchestration.models import RoleLease, WorkerProcess


@admin.register(WorkerProcess)
class WorkerProcessAdmin(ReadOnlyAdmin):
    list_display = ("name", "alive", "hostname", "pid", "in_use", "capacity", "started", "seen")
    list_filter = ("hostname", "stopping")
    search_fields = ("name", "hostname")

    @admin.display(description="state")
    def alive(self, worker: WorkerProcess) -> SafeString:
        if timezone.now() - worker.seen_at > settings.DROVER_WORKER_STALE:
            return state("failed", label="not answering")
        return state("cancelling", label="stopping") if worker.stopping else state("running", label="alive")

    @admin.display(description="started", ordering="started_at")
    def started(self, worker: WorkerProcess) -> SafeString | str:
        return age(worker.started_at)

    @admin.display(description="last heartbeat", ordering="seen_at")
    def seen(self, worker: WorkerProcess) -> SafeString | str:
        return age(worker.seen_at)


@admin.register(RoleLease)
class RoleLeaseAdmin(ReadOnlyAdmin):
    list_display = ("role", "holder", "held", "fence", "lease")
    list_filter = ("role",)
    search_fields = ("role", "holder")

    @admin.display(description="state")
    def held(self, lease: RoleLease) -> SafeString:
        return state("running", label="held") if lease.until > timezone.now() else state("failed", label="free")

    @admin.display(description="lease ends", ordering="until")
    def lease(self, lease: RoleLease) -> SafeString | str:
        return age(lease.until)
