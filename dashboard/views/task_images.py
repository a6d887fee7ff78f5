"""The images that were sent with a task."""

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from dashboard.papers import images_of, picture
from dashboard.views import page
from orchestration import queries


@require_safe
@page
def image(request: HttpRequest, task_id: int, number: int) -> HttpResponse:
    images = images_of(queries.get_task(task_id))
    found = picture(images[number]) if number < len(images) else None
    if found is None:
        raise Http404
    headers = {"Cache-Control": "private, max-age=86400", "Content-Disposition": "inline"}
    return HttpResponse(found.data, content_type=found.media_type, headers=headers)
