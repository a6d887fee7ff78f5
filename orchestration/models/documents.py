"""Documents that go into prompts, and vectors that need not be asked for twice."""

from django.conf import settings
from django.db import models as db


class Document(db.Model):
    """Kept as the text that was read from it."""

    owner = db.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=db.SET_NULL, related_name="documents"
    )
    name = db.CharField(max_length=200)
    media_type = db.CharField(max_length=100)
    size_bytes = db.PositiveBigIntegerField(help_text="Of the file it came from.")
    sha256 = db.CharField(max_length=64, db_index=True)
    text = db.TextField()
    characters = db.PositiveIntegerField(default=0)
    tokens = db.PositiveIntegerField(default=0, help_text="About as many as it takes in a prompt.")
    pages = db.PositiveIntegerField(null=True, blank=True)
    created_at = db.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.name


class CachedVector(db.Model):
    """The embedding of one text by one model."""

    key = db.CharField(max_length=64, unique=True, help_text="SHA-256 of the model's digest and the text.")
    vector = db.BinaryField(help_text="Numbers of 32 bits, the lowest byte first.")
    expires_at = db.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return self.key
