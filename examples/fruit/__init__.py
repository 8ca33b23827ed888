"""The document's example: a parent on `cpu` that fans out three children to `gpu-compute`."""
