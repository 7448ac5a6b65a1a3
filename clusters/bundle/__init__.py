"""The offline release bundle: everything a node needs, in one signed directory per Kubernetes version.

No module here imports Django, so that a bundle can be built and checked where the portal does not run.

    catalogue, manifest, roles, preflight, progress   pure: what exists, what it costs, who needs which file
    golang, debian, releases, images, components      make one component each way
    oci, download, process, store, signing, locations archives, HTTP, tools, finished components, keys, places
    assembly, builder, verification, listing          build, check, show
"""
