"""Where things stand in the drawing of a post: words on the left, pictures on the right, edges as curves between them."""

from graphfuse.report.data import Link, Node, Picture, Post
from graphfuse.report.shapes import Arc, Block, Box, Drawing, Frame, Line, Region
from graphfuse.report.words import reads_right_to_left, text_width, wrap

WIDTH = 1000
TEXT_LEFT, TEXT_WIDTH = 2, 440
PICTURE_LEFT, PICTURE_WIDTH = 600, 396
MOST_PICTURE_HEIGHT = 420
FONT, LINE = 15, 21
PAD, GAP = 9, 7
MOST_LINES = 5
MOST_SPANS = 16
"""Spans drawn as blocks; those that no drawn edge touches give way first."""
MOST_WORDS = 240
MOST_CHIPS = 24
CHIP_HEIGHT, CHIP_GAP, CHIP_MARGIN = 28, 8, 14
GUTTER = 484
PICTURE_GAP = 14
TOP = 8

Point = tuple[float, float]
Key = tuple[str, int]


def lay_out(post: Post) -> Drawing:
    """Return where everything of a post is drawn."""
    touched = {end for link in post.links for end in (link.source, link.target)}
    spans = [node for node in post.nodes if node.box is None and node.node_type == "text_span"]
    regions = [node for node in post.nodes if node.box is not None]
    others = [node for node in post.nodes if node.box is None and node.node_type != "text_span"]
    shown, hidden = _most_telling(spans, touched)
    named = [node for node in others if node.node_type != "sample"]
    # the shorter side is centred beside the taller, so that the curves stay flat
    picture_height = _pictures(post.pictures, regions, TOP)[2]
    text_height = _chips(named, _blocks(shown, TOP)[2])[1]
    height = max(text_height, picture_height, 136)
    blocks, headings, text_bottom = _blocks(shown, TOP + (height - text_height) / 2)
    chips, _ = _chips(named, text_bottom)
    frames, placed, _ = _pictures(post.pictures, regions, TOP + (height - picture_height) / 2)
    own = [node for node in others if node.node_type == "sample" and _key(node) in touched]
    # the post itself stands in the gutter, so that its edges do not cross the words
    itself, _ = _chips(own, TOP + height - CHIP_HEIGHT - CHIP_MARGIN, GUTTER)
    anchors = _anchors(blocks, placed, chips, itself)
    labels = {_key(node): node.label for node in post.nodes}
    drawn = [link for link in post.links if link.source in anchors and link.target in anchors]
    curves = [_curve(link, number, anchors, labels) for number, link in enumerate(drawn)]
    return Drawing(
        height=height + TOP,
        blocks=tuple(block for _, block in blocks),
        headings=tuple(headings),
        hidden_spans=hidden,
        frames=tuple(frames),
        regions=tuple(region for _, region in placed),
        chips=tuple(chip for _, chip in [*chips, *itself]),
        curves=tuple(curves),
    )


def key_of(node_type: str, index: int) -> str:
    """Return the mark of a node in the page's source."""
    return f"{node_type}-{index}"


def _key(node: Node) -> Key:
    return node.node_type, node.index


def _most_telling(spans: list[Node], touched: set[Key]) -> tuple[list[Node], int]:
    """Return the spans that fit, in reading order, and how many are left out."""
    limit = MOST_WORDS if _inline(spans) else MOST_SPANS
    order = sorted(spans, key=lambda node: (_key(node) not in touched, -node.importance, node.index))
    kept = {node.index for node in order[:limit]}
    return [node for node in spans if node.index in kept], max(0, len(spans) - limit)


def _inline(spans: list[Node]) -> bool:
    """Return whether spans are words, to be set one behind the other."""
    lengths = sorted(len(node.label) for node in spans)
    return bool(lengths) and lengths[len(lengths) // 2] <= 14 and len(lengths) > 6


def _blocks(spans: list[Node], y: float) -> tuple[list[tuple[Key, Block]], list[Line], float]:
    columns = list(dict.fromkeys(node.group for node in spans))
    inline = _inline(spans)
    blocks: list[tuple[Key, Block]] = []
    headings: list[Line] = []
    for column in columns:
        members = [node for node in spans if node.group == column]
        if len(columns) > 1:
            headings.append(Line(text=column, x=TEXT_LEFT, y=y + 12))
            y += 22
        y = _inline_blocks(members, y, blocks) if inline else _stacked_blocks(members, y, blocks)
        y += 5
    return blocks, headings, y


def _stacked_blocks(nodes: list[Node], y: float, blocks: list[tuple[Key, Block]]) -> float:
    for node in nodes:
        rtl = reads_right_to_left(node.label)
        texts = wrap(node.label, TEXT_WIDTH - 2 * PAD, FONT, MOST_LINES) or [""]
        x = TEXT_LEFT + TEXT_WIDTH - PAD if rtl else TEXT_LEFT + PAD
        lines = tuple(Line(text=text, x=x, y=y + PAD + 14 + LINE * place, rtl=rtl) for place, text in enumerate(texts))
        height = 2 * PAD + LINE * len(texts) - 3
        blocks.append((_key(node), _block(node, TEXT_LEFT, y, TEXT_WIDTH, height, lines)))
        y += height + GAP
    return y


def _inline_blocks(nodes: list[Node], y: float, blocks: list[tuple[Key, Block]]) -> float:
    x, height = float(TEXT_LEFT), 27.0
    for node in nodes:
        text = (wrap(node.label, TEXT_WIDTH - 16, FONT, 1) or [""])[0]
        width = text_width(text, FONT) + 8
        if x + width > TEXT_LEFT + TEXT_WIDTH and x > TEXT_LEFT:
            x, y = float(TEXT_LEFT), y + height + 6
        blocks.append((_key(node), _block(node, x, y, width, height, (Line(text=text, x=x + width / 2, y=y + 18.5),), centred=True)))
        x += width + 4
    return y + height + GAP


def _block(node: Node, x: float, y: float, width: float, height: float, lines: tuple[Line, ...], centred: bool = False) -> Block:
    return Block(
        centred=centred, key=key_of(*_key(node)), x=x, y=y, width=width, height=height, lines=lines, tint=node.importance, title=node.label
    )


def _pictures(pictures: tuple[Picture, ...], nodes: list[Node], y: float) -> tuple[list[Frame], list[tuple[Key, Region]], float]:
    frames: list[Frame] = []
    regions: list[tuple[Key, Region]] = []
    for number, picture in enumerate(pictures):
        scale = min(PICTURE_WIDTH / picture.width, MOST_PICTURE_HEIGHT / picture.height)
        width, height = picture.width * scale, picture.height * scale
        x = PICTURE_LEFT + (PICTURE_WIDTH - width) / 2
        frames.append(Frame(picture=picture, x=x, y=y, width=width, height=height, number=number))
        members = [node for node in nodes if node.group == str(number)]
        tiled = abs(sum((node.box[2] - node.box[0]) * (node.box[3] - node.box[1]) for node in members if node.box) - 1) < 0.02
        for node in members:
            if node.box is not None:
                x0, y0, x1, y1 = node.box
                region = Region(
                    key=key_of(*_key(node)),
                    x=x + x0 * width,
                    y=y + y0 * height,
                    width=(x1 - x0) * width,
                    height=(y1 - y0) * height,
                    tint=node.importance,
                    title=node.label,
                    veil=tiled and picture.uri is not None,
                    empty=picture.uri is None,
                )
                regions.append((_key(node), region))
        y += height + PICTURE_GAP
    return frames, regions, y - PICTURE_GAP if pictures else y


def _chips(nodes: list[Node], y: float, left: float = TEXT_LEFT) -> tuple[list[tuple[Key, Block]], float]:
    """Return users and interactions, below the text, or the post itself, and where they end."""
    chips: list[tuple[Key, Block]] = []
    x, y = left, y + CHIP_MARGIN
    for node in nodes[:MOST_CHIPS]:
        text = (wrap(node.label, 220, 13, 1) or [""])[0]
        width = text_width(text, 13) + 18
        if x + width > left + TEXT_WIDTH and x > left:
            x, y = left, y + CHIP_HEIGHT + CHIP_GAP
        chips.append((_key(node), _block(node, x, y, width, CHIP_HEIGHT, (Line(text=text, x=x + width / 2, y=y + 18.5),), centred=True)))
        x += width + CHIP_GAP
    return chips, y + CHIP_HEIGHT if chips else y - CHIP_MARGIN


def _anchors(
    blocks: list[tuple[Key, Block]], regions: list[tuple[Key, Region]], chips: list[tuple[Key, Block]], itself: list[tuple[Key, Block]]
) -> dict[Key, tuple[str, Block | Region]]:
    places: dict[Key, tuple[str, Block | Region]] = {key: ("text", block) for key, block in blocks}
    places |= {key: ("region", region) for key, region in regions}
    places |= {key: ("chip", chip) for key, chip in chips}
    return places | {key: ("post", chip) for key, chip in itself}


def _curve(link: Link, number: int, anchors: dict[Key, tuple[str, Block | Region]], labels: dict[Key, str]) -> Arc:
    """Return the path of an edge; it leaves each end on the side that faces the other."""
    (side_a, a), (side_b, b) = anchors[link.source], anchors[link.target]
    start, control_a = _leave(side_a, a, side_b, number)
    end, control_b = _leave(side_b, b, side_a, number)
    points = [f"{x:.1f} {y:.1f}" for x, y in (start, control_a, control_b, end)]
    return Arc(
        link=link,
        number=number,
        path=f"M{points[0]} C{points[1]}, {points[2]}, {points[3]}",
        start=start,
        end=end,
        width=1.2 + 4.3 * link.strength,
        source_key=a.key,
        target_key=b.key,
        ends=(labels[link.source], labels[link.target]),
    )


def _leave(side: str, box: Box, other: str, number: int) -> tuple[Point, Point]:
    """Return where a curve leaves a box, and the control point that says in which direction.

    Args:
        side: What the box is: `text`, `region`, `chip` or `post`.
        box: Where it stands.
        other: What the other end is.
        number: Of the edge, so that neighbours bend differently.
    """
    left, right, top = box.x, box.x + box.width, box.y
    centre, middle = box.x + box.width / 2, box.y + box.height / 2
    bend = 5 * (number % 3)
    match side, other:
        case "text", "text" if box.width < TEXT_WIDTH:  # words in a line: an arc above them
            return (centre, top), (centre, top - 15)
        case "text", _ if box.width < TEXT_WIDTH:  # and curves from below them, since others stand on their right
            return (centre, top + box.height), (centre + 70, top + box.height + 40)
        case "text", "text":
            return (right, middle), (right + 26 + bend, middle)
        case "text", "region":
            return (right, middle), (right + 90, middle)
        case "text", "post":
            return (right, middle), (right + 50 + bend, middle)
        case "text", _:
            return (right, middle), (right + 40, middle)
        case "post", "text":
            return (centre, top), (centre, top - 40)
        case "post", "region":
            return (right, middle), (right + 60, middle)
        case "post", _:
            return (left, middle), (left - 30, middle)
        case "chip", "post":
            return (right, middle), (right + 30, middle)
        case "chip", _:
            return (centre, top), (centre, top - 34)
        case "region", "region":  # a bow inside the picture
            return (centre, middle), (centre + 22, middle - 26)
        case "region", "chip":
            return (centre, middle), (centre, middle + 60)
    return (centre, middle), (min(centre - 40, 560), middle)
