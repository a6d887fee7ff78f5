"""People, their API keys and one-time login links. Secrets are stored as SHA-256 digests only."""

from django.contrib.auth.models import AbstractUser
from django.core.validators import MinValueValidator
from django.db import models

from orchestration.permissions import Role


class User(AbstractUser):
    """A person with one role. A superuser is always an admin."""

    role = models.CharField(max_length=12, choices=[(role, role) for role in Role], default=Role.OPERATOR)
    max_concurrent_tasks = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1)], help_text="Empty: no limit of their own."
    )

    @property
    def effective_role(self) -> Role:
        return Role.ADMIN if self.is_superuser else Role(self.role)


class ApiKey(models.Model):
    """A secret that acts for its owner with a role no higher than the owner's. Shown once, stored hashed."""

    owner = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=80)
    prefix = models.CharField(max_length=16)
    key_hash = models.CharField(max_length=64, unique=True)
    role = models.CharField(max_length=12, choices=[(role, role) for role in Role], default=Role.OPERATOR)
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        verbose_name = "API key"
        verbose_name_plural = "API keys"

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"


class LoginLink(models.Model):
    """A one-time link that logs one person in."""

    user = models.ForeignKey(User, on_delete=models.CASCADE)
    token_hash = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"login link of {self.user_id} until {self.expires_at:%H:%M}"
