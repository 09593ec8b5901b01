"""The painter of the synthetic aerial set: land, water, vegetation, roads and houses, in this order."""

import numpy as np
from numpy.typing import NDArray

from fnmask.data.aerial_canvas import (
    BUILDING,
    FINE,
    LAND,
    ROAD,
    VEGETATION,
    VOID,
    WATER,
    Canvas,
    Floats,
    Polygon,
)
from fnmask.data.aerial_town import Lengths, Street, Town

LAND_COLORS = ((196, 172, 134), (178, 158, 122), (208, 190, 160), (168, 160, 128))
ASPHALT_COLORS = ((104, 104, 108), (122, 120, 118), (140, 136, 130), (90, 92, 98))
# The last three are close to asphalt: only shape and shadow tell such a roof from a road.
ROOF_COLORS = (
    (186, 104, 84),
    (172, 128, 100),
    (226, 222, 212),
    (202, 190, 166),
    (150, 84, 70),
    (128, 126, 126),
    (108, 108, 112),
    (146, 142, 134),
)
CAR_COLORS = ((235, 235, 235), (30, 30, 34), (180, 30, 34), (60, 80, 140), (150, 150, 155))
GRASS_COLORS = ((112, 134, 72), (92, 120, 62), (134, 144, 84))
CROWN_COLORS = ((52, 84, 44), (66, 96, 50), (44, 72, 46))
WATER_COLORS = ((58, 84, 96), (46, 78, 110), (84, 104, 96), (38, 56, 66))


def paint_scene(rng: np.random.Generator, size_px: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Paint one scene.

    Args:
        rng: Where all randomness comes from; the same state gives the same scene.
        size_px: S, height and width.

    Returns:
        RGB image (S, S, 3), 0..255, and labels (S, S): 0..4, or 255 where nobody annotated.
    """
    canvas = Canvas(rng, size_px)
    speckle = canvas.speckle()
    grain = 0.05 * canvas.noise(9) + 0.06 * speckle
    ground = canvas.everywhere(np.ones_like(canvas.labels, bool))
    canvas.fill(ground, _pick(rng, LAND_COLORS), label=None, grain=grain + 0.06 * canvas.noise(40))
    town = Town.draw(rng, size_px)
    _paint_nature(canvas, grain)
    _paint_roads(canvas, town, grain)
    _paint_lots(canvas, town, grain)
    _paint_buildings(canvas, town, grain)
    _paint_trees(canvas, town, speckle)
    labels = canvas.labels[::FINE, ::FINE].copy()
    return _develop(canvas), _leave_gaps(canvas, labels)


def _paint_nature(canvas: Canvas, grain: Floats) -> None:
    """Meadows, woods and water, where smooth noise is high or near zero."""
    rng = canvas.rng
    height = canvas.noise(35)
    meadow = height > rng.uniform(0.5, 1.6)
    canvas.fill(canvas.everywhere(meadow), _pick(rng, GRASS_COLORS), label=VEGETATION, grain=grain)
    wood = meadow & (height + 0.5 * canvas.noise(6) > 1.5)
    canvas.fill(canvas.everywhere(wood), _pick(rng, CROWN_COLORS), label=VEGETATION, grain=3 * grain)
    level = canvas.noise(60)
    river = rng.random() < 0.3  # a line of equal height; else lakes, wherever it is low
    water = np.abs(level) < rng.uniform(0.08, 0.2) if river else level > rng.uniform(0.9, 1.9)
    canvas.fill(canvas.everywhere(water), _pick(rng, WATER_COLORS), label=WATER, grain=0.03 * canvas.noise(3))


def _paint_roads(canvas: Canvas, town: Town, grain: Floats) -> None:
    """Draw the streets; narrow ones may be dirt roads in the color of land, wide ones have a center line."""
    rng = canvas.rng
    steps = np.linspace(-canvas.size_px, canvas.size_px, 33)
    for street in town.streets:
        if rng.random() < 0.1:
            continue  # a gap in the grid: a wide block
        dirt = street.width < 4.5 and rng.random() < 0.35
        color = _pick(rng, LAND_COLORS) * np.float32(1.06) if dirt else _pick(rng, ASPHALT_COLORS)
        surface = canvas.area(street.ribbon(town, steps, street.width))
        if rng.random() > 0.3:  # else there is a bridge
            surface = canvas.keep(surface, LAND, VEGETATION, ROAD)
        canvas.fill(surface, color, label=ROAD, grain=0.7 * grain)
        if street.width > 7:
            line = canvas.keep(canvas.area(street.ribbon(town, steps, 0.5)), ROAD)
            canvas.fill(line, np.array((226, 222, 200), np.float32), label=None, grain=grain)
        _paint_cars(canvas, town, street, steps)


def _paint_cars(canvas: Canvas, town: Town, street: Street, steps: Lengths) -> None:
    """Put cars on a street; they stay labelled road, as annotators do."""
    rng = canvas.rng
    for step, offset in zip(steps, street.line(steps), strict=True):
        if rng.random() < 0.2:
            u, v = step + rng.uniform(-3, 3), offset + rng.uniform(-0.3, 0.3) * street.width
            car = canvas.area(town.box(u, v, 4, 1.8) if street.lengthwise else town.box(v, u, 1.8, 4))
            car = canvas.keep(car, ROAD)
            canvas.colors[car.window][car.inside] = _pick(rng, CAR_COLORS)


def _paint_lots(canvas: Canvas, town: Town, grain: Floats) -> None:
    """Paved yards: land in the color of a road."""
    rng = canvas.rng
    reach = 0.5 * canvas.size_px
    for _ in range(round(int(rng.integers(1, 5)) * (canvas.size_px / 128) ** 2)):
        box = town.box(rng.uniform(-reach, reach), rng.uniform(-reach, reach), rng.uniform(8, 24), rng.uniform(6, 16))
        canvas.fill(canvas.keep(canvas.area(box), LAND), _pick(rng, ASPHALT_COLORS), label=None, grain=grain)


def _paint_buildings(canvas: Canvas, town: Town, grain: Floats) -> None:
    """Rows of houses, wall to wall with the road where their plot meets one."""
    rng = canvas.rng
    reach = 0.7 * canvas.size_px
    u = -reach
    while u < reach:
        v = -reach
        length = rng.uniform(8, 18)
        while v < reach:
            width = rng.uniform(7, 16)
            if rng.random() < town.density:
                _paint_house(canvas, town, (u, v, length, width), grain)
            v += width + rng.uniform(1.5, 5)
        u += length + rng.uniform(1.5, 5)


def _paint_house(canvas: Canvas, town: Town, plot: tuple[float, float, float, float], grain: Floats) -> None:
    """Build on a plot (along, across, length, width), cut back to the curb; too small a rest stays empty."""
    rng = canvas.rng
    u, v, length, width = plot
    outline = town.box(u, v, length, width)
    site = canvas.area(outline)
    body = canvas.keep(site, LAND, VEGETATION)
    if not body.inside.any() or body.inside.sum() < 0.6 * site.inside.sum() or canvas.keep(site, WATER).inside.any():
        return
    canvas.fill(body, _pick(rng, ROOF_COLORS), label=BUILDING, grain=0.5 * grain)
    part, gain = None, 1.0
    if rng.random() < 0.5:  # one side of a gable
        part = town.box(u, v, length, width / 2)
        gain = 1 + 0.22 * (town.sun[0] * town.across[0] + town.sun[1] * town.across[1])
    elif rng.random() < 0.6:  # something on a flat roof
        part = town.box(u + rng.uniform(0.1, 0.7) * length, v + rng.uniform(0.1, 0.7) * width, 2.5, 2)
        gain = rng.uniform(0.6, 1.4)
    if part is not None:
        roof = canvas.keep(canvas.area(part), BUILDING)
        canvas.colors[roof.window][roof.inside] *= np.float32(gain)
    _cast_shadow(canvas, town, outline, height=rng.uniform(1, 4))
    canvas.shade[body.window][body.inside] = 1


def _paint_trees(canvas: Canvas, town: Town, speckle: Floats) -> None:
    """Single trees, over roads too; a crown that hides a road is vegetation."""
    rng = canvas.rng
    count = round(int(rng.integers(5, 40)) * (canvas.size_px / 128) ** 2)
    for x, y, radius in rng.uniform((0, 0, 1.5), (canvas.size_px, canvas.size_px, 4), (count, 3)):
        turn = np.linspace(0, 2 * np.pi, 12, endpoint=False)
        edge = radius * rng.uniform(0.75, 1.15, turn.size)
        outline: Polygon = list(zip(x + edge * np.cos(turn), y + edge * np.sin(turn), strict=True))
        crown = canvas.keep(canvas.area(outline), LAND, ROAD, VEGETATION)
        if not crown.inside.any():
            continue
        _cast_shadow(canvas, town, outline, height=2)
        canvas.shade[crown.window][crown.inside] = 1
        canvas.fill(crown, _pick(rng, CROWN_COLORS), label=VEGETATION, grain=0.15 * speckle)


def _cast_shadow(canvas: Canvas, town: Town, outline: Polygon, *, height: float) -> None:
    """Darken everything but roofs where the outline falls when moved away from the sun."""
    moved = [(x + height * town.sun[0], y + height * town.sun[1]) for x, y in outline]
    shadow = canvas.keep(canvas.area(moved), LAND, ROAD, VEGETATION, WATER)
    canvas.shade[shadow.window][shadow.inside] = 0.55


def _develop(canvas: Canvas) -> NDArray[np.uint8]:
    """Apply shade, exposure and haze, reduce to the final size and add the noise of the sensor."""
    rng = canvas.rng
    light = canvas.colors * canvas.shade[..., None]
    tint = rng.uniform(0.85, 1.15) * rng.uniform(0.95, 1.05, 3).astype(np.float32)
    haze = rng.uniform(0, 0.15)
    light = (1 - haze) * light * tint + haze * 190
    size = canvas.size_px
    small = light.reshape(size, FINE, size, FINE, 3).mean(axis=(1, 3))
    small += rng.normal(0, rng.uniform(2, 6), small.shape)
    image: NDArray[np.uint8] = np.clip(np.rint(small), 0, 255).astype(np.uint8)
    return image


def _leave_gaps(canvas: Canvas, labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Mark small patches of every other picture as not annotated."""
    rng = canvas.rng
    if rng.random() < 0.5:
        for _ in range(int(rng.integers(1, 4))):
            row, column = rng.integers(0, canvas.size_px, 2)
            height, width = rng.integers(3, 13, 2)
            labels[row : row + height, column : column + width] = VOID
    return labels


def _pick(rng: np.random.Generator, palette: tuple[tuple[int, int, int], ...]) -> Floats:
    """Choose a color and vary it a little."""
    color = np.array(palette[int(rng.integers(len(palette)))], np.float32)
    return color * rng.uniform(0.92, 1.08) * rng.uniform(0.97, 1.03, 3).astype(np.float32)
