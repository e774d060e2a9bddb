NODE_CLASS_MAPPINGS: dict[str, type]
NODE_DISPLAY_NAME_MAPPINGS: dict[str, str]

def interrupt_processing(value: bool = ...) -> None: ...
