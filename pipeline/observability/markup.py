"""HTML elements from plain calls. Whatever is put into one is text: it is escaped when the page is written out."""

from __future__ import annotations

from xml.etree import ElementTree

Element = ElementTree.Element
Child = Element | str | None


def element(tag: str, *children: Child, **attributes: str) -> Element:
    """`element("p", "a < b", id="x")`; None is left out; `class_` stands for class, `aria_label` for aria-label."""
    made = Element(tag, {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()})
    for child in children:
        if isinstance(child, str):
            _add_text(made, child)
        elif child is not None:
            made.append(child)
    return made


def document(root: Element) -> bytes:
    """The page, in UTF-8."""
    return b"<!doctype html>\n" + ElementTree.tostring(root, encoding="unicode", method="html").encode(errors="replace")


def _add_text(parent: Element, text: str) -> None:
    if len(parent):
        parent[-1].tail = (parent[-1].tail or "") + text
    else:
        parent.text = (parent.text or "") + text
