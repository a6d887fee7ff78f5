# Drover in one container: `docker run -p 8000:8000 -v drover:/data -e OLLAMA_HOSTS=gpu-a:11434 IMAGE`.
# compose.yaml runs each process in a container of its own from the same image.
FROM python:3.11-slim

WORKDIR /srv/drover
COPY requirements/base.txt requirements/base.txt
RUN pip install --no-cache-dir --no-deps --require-hashes -r requirements/base.txt
COPY . .
RUN pip install --no-cache-dir --no-deps --no-index --no-build-isolation --editable .
RUN useradd --uid 10001 --create-home drover && install -d -o drover -m 700 /data

USER drover
ENV DROVER_DATA=/data PYTHONUNBUFFERED=1
VOLUME /data
EXPOSE 8000
CMD ["python", "manage.py", "up", "--host", "0.0.0.0", "--port", "8000", "--no-browser"]
