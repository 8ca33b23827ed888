"""Who calls, and what they may do.

- `principals.py`: the callers: user, service account, run, agent.
- `permissions.py`: the table of actions, roles and scopes. Pure.
- `isolation.py`: which runs may submit to which compute target. Pure.
- `keys.py`: the signing key.
- `secrets.py`: secrets of users, by name.
- `sessions.py`: sessions of browsers, opened by one-time links.
- `tokens.py`: tokens are issued and checked.
"""
