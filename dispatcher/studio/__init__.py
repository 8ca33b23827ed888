"""The studio: the web page of the service. TypeScript sources lie in `src`; the build writes
`built`, which git ignores and the wheel holds. `docs/studio.md` says how it is built and tested.
"""
