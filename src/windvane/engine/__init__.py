"""How work is spread over the machine, and how it says how far it is."""

from windvane.engine.local import map_parts, thread_count
from windvane.engine.progress import SILENT, Progress, Task

__all__ = ["SILENT", "Progress", "Task", "map_parts", "thread_count"]
