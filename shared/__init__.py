"""The core: cloud-neutral above, one adapter per outside thing below."""
