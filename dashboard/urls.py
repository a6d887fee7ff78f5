"""Every address of the site."""

from django.contrib import admin
from django.contrib.auth.views import LogoutView
from django.urls import include, path
from django.views.generic import RedirectView

from dashboard.views import (
    account,
    agents,
    documents,
    live,
    matching,
    models,
    new_task,
    nodes,
    overview,
    pauses,
    task_images,
    tasks,
)
from orchestration.api import api, documentation, healthz

urlpatterns = [
    path("", overview.index, name="overview"),
    path("tasks", tasks.index, name="tasks"),
    path("tasks/bulk", tasks.bulk, name="tasks-bulk"),
    path("tasks/matching", matching.index, name="tasks-matching"),
    path("tasks/<int:task_id>", tasks.detail, name="task"),
    path("tasks/<int:task_id>/cancel", tasks.cancel, name="task-cancel"),
    path("tasks/<int:task_id>/retry", tasks.retry, name="task-retry"),
    path("tasks/<int:task_id>/priority", tasks.set_priority, name="task-priority"),
    path("tasks/<int:task_id>/images/<int:number>", task_images.image, name="task-image"),
    path("new", new_task.new, name="task-new"),
    path("documents", documents.index, name="documents"),
    path("documents/upload", documents.upload, name="document-upload"),
    path("documents/<int:document_id>", documents.detail, name="document"),
    path("documents/<int:document_id>/delete", documents.delete, name="document-delete"),
    path("agents", agents.index, name="agents"),
    path("agents/new", agents.new, name="agent-new"),
    path("agents/<int:agent_id>", agents.edit, name="agent"),
    path("agents/<int:agent_id>/delete", agents.delete, name="agent-delete"),
    path("nodes", nodes.index, name="nodes"),
    path("nodes/new", nodes.new, name="node-new"),
    path("nodes/probe", nodes.probe, name="node-probe"),
    path("nodes/<int:node_id>", nodes.edit, name="node"),
    path("nodes/<int:node_id>/delete", nodes.delete, name="node-delete"),
    path("nodes/<int:node_id>/drain", nodes.drain, name="node-drain"),
    path("nodes/<int:node_id>/reset-circuit", nodes.reset_circuit, name="node-reset-circuit"),
    path("nodes/<int:node_id>/check", nodes.check, name="node-check"),
    path("models/<path:name>", models.edit, name="model"),
    path("pauses", pauses.toggle, name="pause"),
    path("live/", live.poll, name="live"),
    path("start/<str:token>", account.start, name="start"),
    path("login", account.PasswordLogin.as_view(), name="login"),
    path("logout", LogoutView.as_view(next_page="login"), name="logout"),
    path("favicon.ico", RedirectView.as_view(url="/static/favicon.svg")),
    path("healthz", healthz, name="healthz"),
    path("api/docs", documentation.page, name="api-docs"),
    path("api/openapi.json", documentation.openapi, name="openapi"),
    path("api/orchestration/", api.urls),
    path("admin/rq/", include("orchestration.admin.queues")),
    path("admin/", admin.site.urls),
]
