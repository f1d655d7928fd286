"""`ip("...")`: one address, a range `a-b`, or a network in CIDR notation."""

from __future__ import annotations

import ipaddress
import re

from pytake.embedded.loki.logql.errors import ParseError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_CANDIDATE = re.compile(
    r"(?<![0-9A-Fa-f:.])(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?:\.\d{1,3}){0,3})"
)


class IPMatcher:
    """Tests of a value or of any address inside a line."""

    def __init__(self, pattern: str) -> None:
        try:
            self._ranges = [_range(pattern)]
        except ValueError:
            raise ParseError(f'ip: invalid pattern "{pattern}"') from None

    def contains(self, address: Address) -> bool:
        """Whether the address is inside the pattern."""
        return any(
            address.version == low.version and int(low) <= int(address) <= int(high) for low, high in self._ranges
        )

    def matches(self, text: str) -> bool:
        """Whether the text is an address inside the pattern; ValueError where it is no address."""
        return self.contains(ipaddress.ip_address(text))

    def found_in(self, line: str) -> bool:
        """Whether the line holds an address inside the pattern."""
        for candidate in _CANDIDATE.finditer(line):
            try:
                if self.matches(candidate[0]):
                    return True
            except ValueError:
                continue
        return False


def _range(pattern: str) -> tuple[Address, Address]:
    if "/" in pattern:
        network = ipaddress.ip_network(pattern, strict=False)
        return network[0], network[-1]
    if "-" in pattern:
        low, _, high = pattern.partition("-")
        first, last = ipaddress.ip_address(low.strip()), ipaddress.ip_address(high.strip())
        if first.version != last.version or int(first) > int(last):
            raise ValueError(pattern)
        return first, last
    address = ipaddress.ip_address(pattern)
    return address, address
