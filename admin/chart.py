"""A chart as the numbers of its lines; a template draws them as SVG, without script or style."""

from dataclasses import dataclass

from admin.progress import Point

WIDTH, HEIGHT = 640, 240
LEFT, RIGHT, TOP, BOTTOM = 56, 8, 16, 32
MARKS = 4


@dataclass(frozen=True)
class Chart:
    """Two lines over time, in the coordinates of the drawing."""

    points: list[Point]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    bottom: int = HEIGHT - BOTTOM

    @property
    def top(self) -> int:
        """The number at the upper end of the scale, a multiple of the marks."""
        most = max((point.people for point in self.points), default=0)
        return max(MARKS, -(-most // MARKS) * MARKS)

    def x(self, place: int) -> float:
        """Return where a point stands from the left."""
        wide = self.right - self.left
        return round(self.left + wide * place / max(1, len(self.points) - 1), 1)

    def y(self, count: int) -> float:
        """Return where a number stands from above."""
        return round(self.bottom - (self.bottom - TOP) * count / self.top, 1)

    @property
    def marks(self) -> list[int]:
        """The numbers of the scale."""
        return [self.top * mark // MARKS for mark in range(MARKS + 1)]

    @property
    def protected(self) -> str:
        """The line of those who are protected."""
        return self._line([point.protected for point in self.points])

    @property
    def people(self) -> str:
        """The line of everybody."""
        return self._line([point.people for point in self.points])

    @property
    def area(self) -> str:
        """What lies below the line of those who are protected."""
        end, start = self.x(len(self.points) - 1), self.x(0)
        return f"{self.protected} L{end} {self.bottom} L{start} {self.bottom} Z"

    def _line(self, counts: list[int]) -> str:
        return "M" + " L".join(f"{self.x(n)} {self.y(count)}" for n, count in enumerate(counts))
