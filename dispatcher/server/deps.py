"""What handlers are given: the services, and the permission under which they are called."""

from typing import Annotated

from fastapi import Depends, Request

from dispatcher.access.permissions import Grant
from dispatcher.server.guard import grant_of
from dispatcher.server.services import Services


async def services(request: Request) -> Services:
    found: Services = request.app.state.services
    return found


S = Annotated[Services, Depends(services)]
Caller = Annotated[Grant, Depends(grant_of)]
