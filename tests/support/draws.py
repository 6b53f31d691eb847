"""Scale how many examples a property draws to the hypothesis profile that is loaded."""

from hypothesis import settings


def draws(thorough: int) -> int:
    """Give a property's number of examples: ``thorough`` in the profile of that name, in proportion in others."""
    return max(1, thorough * settings().max_examples // settings.get_profile("thorough").max_examples)
