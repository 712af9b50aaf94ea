"""What came in while a month was in the archive, laid image by image over what is archived of a day of a usage point.

What was saved while the file could not be read says what it would have done (`q.out_of_sight`): energy of register
reads fills in what nothing is known of, or takes the place of what they told before.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from gridwright.domain import quality as q
from gridwright.ingest.order import gives_way
from gridwright.store.days.blocks import BlockRows, shape_of
from gridwright.store.days.history import Images, decode_images
from gridwright.store.days.incoming import is_told

Mask = npt.NDArray[np.bool_]
Grid = tuple[int, int]  # slots a day, phase
MARKS = frozenset(
    quality for quality in range(256) if quality == q.TAKEN_BACK or q.out_of_sight(np.array([quality], np.uint8))[0]
)


@dataclass(slots=True, eq=False)
class Ground:
    """The image that others are laid on; `ranked`: as of raw images, a guess gives way to a value of better quality.

    An image on another grid counts for nothing, unless register reads alone told what is there, or, of a final image,
    takes its place.
    """

    whole: Images
    grid: Grid
    ranked: bool
    _was: q.Qualities = field(init=False)  # before it was taken back
    _before: Images | None = field(init=False, default=None)  # the last image that was laid

    def __post_init__(self) -> None:
        """Begin with copies, for what is laid is laid into them."""
        self._begin(self.whole)

    def lay(self, image: Images, grid: Grid) -> Images | None:
        """Lay an image, and return what it says, NaN where that is nothing; None if it does not fit."""
        news = self._news(image)
        self._before = image
        if grid != self.grid:
            if not self._makes_way(news):
                return None
            self.grid = grid
            self._begin(nothing_like(image))
        said = self._meant(news) if self.ranked else news
        whole, same = self.whole, said.values == self.whole.values
        new = ~np.isnan(said.values) & ~(same & (said.qualities == whole.qualities))
        if self.ranked:
            new &= np.isnan(whole.values) | ~gives_way(said.qualities, whole.qualities, same)
        back = new & (said.qualities == q.TAKEN_BACK)
        self._was[back] = whole.qualities[back]
        for target, source in (
            (whole.values, said.values),
            (whole.qualities, said.qualities),
            (whole.instants, said.instants),
        ):
            target[new] = source[new]
        return said

    def sent(self, image: Images) -> Images:
        """Return what an image that is to be laid next says anew, without what nobody sent."""
        news = self._news(image)
        return _only(news, ~is_told(news.qualities))

    def _begin(self, one: Images) -> None:
        copied = {name: getattr(one, name).copy() for name in ("values", "qualities", "instants")}
        self.whole, self._was = replace(one, **copied), one.qualities.copy()

    def _news(self, image: Images) -> Images:
        """Return what the image before had not, on its grid."""
        before = self._before
        if before is None or before.values.shape != image.values.shape:
            return image
        return _only(image, (image.values != before.values) | (image.qualities != before.qualities))

    def _makes_way(self, news: Images) -> bool:
        if not self.ranked:
            return True
        sent = ~np.isnan(news.values) & ~is_told(news.qualities)
        return bool(sent.any() and (np.isnan(self.whole.values) | is_told(self.whole.qualities)).all())

    def _meant(self, image: Images) -> Images:
        """Return what an image says where it is laid over what is there, known at last."""
        marked, back = q.out_of_sight(image.qualities), image.qualities == q.TAKEN_BACK
        if not (marked.any() or back.any()):
            return image
        whole, method = self.whole, q.method_of(image.qualities)
        gone = whole.qualities == q.TAKEN_BACK
        # What is taken back at the very instant at which it is told again was told.
        again = gone & (whole.instants == image.instants) & (method != q.Method.FILLS)
        was = np.where(again, self._was, whole.qualities)
        told = q.of_register(was) | again
        fills = (method != q.Method.INSTEAD) & (np.isnan(whole.values) | gone)
        counts = marked & (fills | (told & (method != q.Method.FILLS)))
        same = np.asarray(image.values == whole.values, np.bool_)
        taken = back & (q.of_register(whole.qualities) | (same & (whole.qualities == q.GUESSED_ONCE)))
        quality = np.where(marked, _told(image.qualities), image.qualities)
        stays = counts & again & gives_way(quality, was, same)
        values = np.where(stays | taken, whole.values, image.values)
        meant = replace(image, values=values, qualities=np.where(stays, was, quality))
        return _only(meant, counts | taken | ~(marked | back))


def ground_of(base: BlockRows | None, day: int, first: tuple[Images, Grid], *, ranked: bool) -> Ground:
    """Return the ground that the archived image of a day makes; None: nothing, on the grid of the `first` laid."""
    if base is None:
        image, grid = first
        return Ground(nothing_like(image), grid, ranked)
    return Ground(decode_images(base, day), shape_of(base.shape[0]).grid, ranked)


def nothing_like(image: Images) -> Images:
    """Return an image of the same shape in which nothing is known."""
    return _only(image, np.zeros(image.values.shape, np.bool_))


def is_marked(quality_all: int | None, quality: bytes | None) -> bool:
    """Tell whether a row has energy of reads that may have been told while the archive could not be read."""
    return quality_all in MARKS if quality is None else not MARKS.isdisjoint(quality)


def _told(quality: q.Qualities) -> q.Qualities:
    """Return the qualities that energy of reads has in sight."""
    told = q.with_method(quality, q.Method.REGISTER)
    return np.where(quality == q.GUESSED_INSTEAD, np.uint8(q.GUESSED), told)


def _only(image: Images, which: Mask) -> Images:
    values = np.where(which, image.values, np.nan)
    return replace(image, values=values, qualities=np.where(which, image.qualities, np.uint8(q.MISSING)))
