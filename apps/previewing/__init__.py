"""What a deployment would do, before it is done: object by object, which pods, whether it fits. Pure; `judging.preview`
is the way in."""
