"""Find a rate card by path, by name in the folder of rate cards, or among those that come with Gridwright."""

from __future__ import annotations

from difflib import get_close_matches
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from gridwright.billing import parse_rate_card
from gridwright.domain.errors import NotFound, RateError
from gridwright.domain.rate import RateCard

BUNDLED = files("gridwright.billing") / "cards"
SUFFIX = ".toml"


def find_rate_card(name: str, folder: Path) -> RateCard:
    """Read the card at the path `name`, else `folder`/NAME.toml, else the bundled NAME; NotFound lists them."""
    path = Path(name)
    if path.suffix == SUFFIX or path.is_file():
        return _read(path, str(path))
    for place in (folder / f"{name}{SUFFIX}", BUNDLED / f"{name}{SUFFIX}"):
        if place.is_file():
            return _read(place, str(place))
    known = sorted({*rate_card_names(folder)})
    near = get_close_matches(name, known, n=1)
    remedy = f"did you mean {near[0]}?" if near else f"give a path, or one of: {', '.join(known)}"
    raise NotFound(f"there is no rate card {name!r}", where=str(folder), remedy=remedy)


def rate_card_names(folder: Path) -> list[str]:
    """List the cards that can be named."""
    own = [path.stem for path in folder.glob(f"*{SUFFIX}")] if folder.is_dir() else []
    return [*own, *(card.name.removesuffix(SUFFIX) for card in BUNDLED.iterdir() if card.name.endswith(SUFFIX))]


def _read(place: Path | Traversable, where: str) -> RateCard:
    try:
        text = place.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise NotFound(f"rate card {where!r} does not exist", remedy="check the path given to --tariff") from None
    except UnicodeDecodeError as error:
        raise RateError("a rate card must be UTF-8 text", where=where, remedy="save it as UTF-8") from error
    return parse_rate_card(text, where=where)
