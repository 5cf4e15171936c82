"""What a run tells an observability backend while it happens: spans over OTLP.

Here belongs what turns events into spans. Never here: a decision, and the text of prompts, replies or files, which
stays where the person keeps it. Start at ``spans.py``; the extra ``otel`` brings the library.
"""
