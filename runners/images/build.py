"""Build an image layer upon layer, each cached by what decides its bytes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from tare.results.said import say
from tare.runners.images.image import Image, image_key
from tare.runners.images.layers import Layer, fill, merge
from tare.runners.images.overlay import lay_over, unpack_external
from tare.runners.images.recipe import ImageContent, Recipe
from tare.runners.native.build import build
from tare.runners.provision.cache import Cache
from tare.runners.provision.elf import remembered

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tare.runners.images.layers import Items
    from tare.runners.images.overlay import Unpacked
    from tare.runners.provision.tools import Provision

AGENT_SOURCE = Path(__file__).parents[1] / "agent" / "agent.c"


def build_image(
    content: ImageContent,
    provision: Provision,
    cache: Path,
    *,
    progress: Callable[[str], None] = lambda _line: None,
) -> Image:
    """Build an image, or take it from the cache.

    Args:
        content: what it shall contain.
        provision: where its programs come from.
        cache: the cache folder.
        progress: gets a line before anything slow happens.

    Raises:
        Missing: a program is not on this host and cannot be fetched.
        TareError: the agent cannot be compiled, or a command cannot be carried.
    """
    store = Cache(cache, progress)
    agent = build(AGENT_SOURCE, cache, progress=progress)
    recipe = Recipe(unpack_external(content.external, store, progress) if content.external else None)
    with remembered(cache):
        recipe.add_base(agent, content, provision)
        recipe.add_tools(content.programs, provision)
        if "python3" in content.programs:
            recipe.add_python(provision.tool("python3"))
        recipe.add_files(content)
        recipe.add_commands(content)
    return replace(
        _assembled(store, recipe.layers, progress, recipe.under),
        programs=recipe.programs,
        python_home=recipe.python_home,
        carried=tuple(recipe.carried),
        notes=tuple(recipe.notes),
    )


def _assembled(
    store: Cache,
    specs: Sequence[tuple[str, Items]],
    progress: Callable[[str], None],
    under: Unpacked | None,
) -> Image:
    """Make or find the layers, and the tree of them all."""
    layers = []
    libraries: dict[str, str] = {}

    def filling(name: str, items: Items) -> Callable[[Path], Mapping[str, object]]:
        def make(folder: Path) -> Mapping[str, object]:
            progress(say(
                "progress.layer", "image: making layer {name}, {size} MB", name=name, size=f"{items.total() / 1e6:.0f}"
            ))  # fmt: skip
            return fill(items, folder)

        return make

    for name, items in specs:
        entry = store.entry("layers", f"{name} {items.key()}", filling(name, items), stale=_older)
        facts = entry.facts
        layers.append(
            Layer(name, facts["digest"], facts["size"], facts["files"], entry.path, facts["tar_bytes"])
        )
        libraries |= {f"/{path}": digest for path, digest in facts["programs"].items()}
    below = under.layers if under else ()
    key = image_key((*below, *layers))

    def merging(folder: Path) -> Mapping[str, object]:
        trees = [layer.tree for layer in layers]
        if under:
            lay_over(under.tree, trees, folder)
        else:
            merge(trees, folder)
        return {}

    entry = store.entry("images", key, merging)
    return Image(key, entry.path, (*below, *layers), {}, libraries)


def _older(facts: Mapping[str, object]) -> str:
    return "" if "tar_bytes" in facts else say("image.no_tar_size", "the size of its tar is not known")
