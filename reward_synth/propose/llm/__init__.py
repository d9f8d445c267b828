"""Language models behind one protocol: OpenAI-compatible servers, a cache, recorded answers."""
