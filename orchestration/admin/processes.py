"""Drover's own processes in the admin: who is alive, who leads."""

from django.conf import settings
from django.contrib import admin
from django.utils import timezone
from django.utils.safestring import SafeString

from orchestration.admin.base import ReadOnlyAdmin
from orchestration.admin.display import age, column, state
from orchestration.models import RoleLease, WorkerProcess


@admin.register(WorkerProcess)
class WorkerProcessAdmin(ReadOnlyAdmin):
    started = column("started_at", age)
    seen = column("seen_at", age, "last heartbeat")
    list_display = ("name", "alive", "hostname", "pid", "in_use", "capacity", "started", "seen")
    list_filter = ("hostname", "stopping")
    search_fields = ("name", "hostname")

    @admin.display(description="state")
    def alive(self, worker: WorkerProcess) -> SafeString:
        if timezone.now() - worker.seen_at > settings.DROVER_WORKER_STALE:
            return state("failed", label="not answering")
        return state("cancelling", label="stopping") if worker.stopping else state("running", label="alive")


@admin.register(RoleLease)
class RoleLeaseAdmin(ReadOnlyAdmin):
    lease = column("until", age, "lease ends")
    list_display = ("role", "holder", "held", "fence", "lease")
    list_filter = ("role",)
    search_fields = ("role", "holder")

    @admin.display(description="state")
    def held(self, lease: RoleLease) -> SafeString:
        return state("running", label="held") if lease.until > timezone.now() else state("failed", label="free")
