"""What `dispatcher migrate lint` does: read code that uses `azureml`, and judge it call by call.

`sources` finds the code, `surface` knows what the shim really has, `remarks` what differs though it
is there, `values` what a name stands for, `reading` walks a file, `findings` is what comes out.
The code that is judged is never imported or run.
"""
