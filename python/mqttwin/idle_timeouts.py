"""How long middleboxes are known to remember an idle TCP flow.

For ``mt.links.link(..., idle_timeout=mt.links.idle_timeouts.AWS_NLB)``. What happens to a flow that
was forgotten is `on_idle`: most middleboxes drop what still comes without a word.
"""

from __future__ import annotations

FRENCH_CARRIER = "270s"
"""A mobile carrier in France needs traffic at least so often. Source: wirelessmoves.com, 2020-09,
grade B."""

TWILIO_SUPER_SIM = "6h"
"""Twilio Super SIM, TCP (30 s for UDP). Source: Twilio's documentation, undated, grade A."""

AWS_NLB = "350s"
"""A Network Load Balancer of AWS, TCP, by default (60 to 6000 s can be chosen; fixed for TLS).
Source: AWS's documentation, undated, grade A. AWS IoT's default keep-alive is 1200 s."""
