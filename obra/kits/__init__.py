"""Text that is shipped with the product: examples for CI services, and what each error means.

Here belongs what people read or copy. Never here: code. The same files stand in ``docs/``, where people look
first; ``tests/test_ci_kits.py`` and ``tests/test_troubleshooting.py`` hold the two together. Start at
``troubleshooting.md``.
"""
