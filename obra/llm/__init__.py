"""Those who review: each module here makes one kind of LLM answer a prompt.

Here belongs everything that talks to an LLM server, and the scripted stand-in that acts without one. A class
here fulfils :class:`obra.plugins.LLMPlugin`, fails fast with an :class:`obra.errors.LLMError`, and never tries
again: the loop does; the one exception, a repair of form, stands in :class:`obra.llm.chat.Chat` with its reason.
What is asked and what the answer means never belongs here (that is ``prompting`` and ``judging``); httpx is
imported inside functions, here and in ``replay`` alone. Start at :mod:`obra.llm.chat`, which all servers share,
then :mod:`obra.llm.local_llm_interface`.
"""
