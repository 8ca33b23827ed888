"""The linter of `dispatcher migrate lint`: finds the uses of `azureml` in code and checks each one.

`sources` finds the code. `analyzer` walks a program. `scopes` and `values` resolve names. `surface`
is the shim's API. `remarks` are the differences to v1 and the alternatives. `findings` are the
results. The linter never imports or runs the code that it checks.
"""
