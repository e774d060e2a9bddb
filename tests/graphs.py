"""Workflows for the contract suite; *salt* keeps one run's results out of the next one's cache."""

import uuid


def salt():
    return uuid.uuid4().hex


def node(class_type, title=None, **inputs):
    made = {"class_type": class_type, "inputs": inputs}
    if title:
        made["_meta"] = {"title": title}
    return made


def quick(value=1):
    return {"1": node("ContractInt", value=value, salt=salt()), "2": node("ContractShow", value=["1", 0])}


def sleeping(seconds=0.5, steps=10, mark=None):
    return {
        "1": node("ContractSleep", value=7, seconds=seconds, steps=steps, salt=mark or salt()),
        "2": node("ContractShow", "The end", value=["1", 0]),
    }


def image(size=64, **save):
    return {
        "1": node("EmptyImage", width=size, height=size // 2, batch_size=1, color=0x336699),
        "2": node("ImageInvert", image=["1", 0]),
        "3": node("SaveImage", images=["2", 0], filename_prefix=f"contract_{salt()}"),
    }
