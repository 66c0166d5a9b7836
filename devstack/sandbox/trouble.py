"""The sandbox in trouble: for a while every call is turned away, as by a revoked key, a proxy, or an overload."""

from email.utils import formatdate
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from devstack.sandbox import answers
from devstack.sandbox.answers import Answer


class Trouble(BaseModel):
    """What every call is answered, for ``seconds`` from now on.

    ``retry_after``: the header's seconds, as a number or (``retry_as``) as a date. ``location``: where a redirect points to.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    status: Annotated[int, Field(ge=200, le=599)]
    seconds: Annotated[float, Field(ge=0, le=86_400)]
    retry_after: Annotated[int, Field(ge=0)] | None = None
    retry_as: Literal["seconds", "date"] = "seconds"
    location: Annotated[str, StringConstraints(pattern=r"^https?://[!-~]+$")] | None = None

    def answer(self, now: float) -> Answer:
        """What a call is answered at ``now``, in seconds since 1970."""
        said = answers.page(self.status)
        after: int | str | None = self.retry_after
        if self.retry_after is not None and self.retry_as == "date":
            after = formatdate(now + self.retry_after, usegmt=True)
        return Answer(said.status, said.body, after, page=True, location=self.location)
