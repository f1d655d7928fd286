"""The Graph API client: sends, errors, pacing."""
