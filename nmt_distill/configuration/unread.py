"""What stands in an object for a value that could not be read, until all faults are told."""

from __future__ import annotations

from typing import NoReturn


class UnreadError(Exception):
    """A check looked at a value that could not be read."""


class Unread:
    """Stands for a value that could not be read: whoever looks at it is stopped, so no fault is made up from it."""

    def __getattribute__(self, name: str) -> NoReturn:
        raise UnreadError

    def _refuse(self, *_: object) -> NoReturn:
        raise UnreadError

    __bool__ = __len__ = __iter__ = __contains__ = __getitem__ = __hash__ = _refuse
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _refuse
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _refuse
    __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = __pow__ = __rpow__ = __neg__ = __abs__ = _refuse
    __int__ = __float__ = __index__ = __str__ = __repr__ = __format__ = _refuse


UNREAD = Unread()
"""the one such value"""
