"""A server of its own, for machines without ComfyUI or a GPU.

It has ComfyUI's own HTTP and websocket surface, a queue, an executor and nodes. Image nodes run for real
on Pillow and numpy; sampling is simulated, and every simulated picture says so. It is for trying
Backplane, for building clients, and for the tests. Nothing outside this folder imports it.

``app.create`` builds the server, ``cli.main`` runs it.
"""
