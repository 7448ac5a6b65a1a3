"""The doctor: from what a cluster says about a workload to causes, evidence and the next click. Pure.

`doctor.diagnose(facts)` takes raw JSON (facts.Facts says which) and answers a diagnosis.Report, worst first; `coach`
looks at a release's probes. Nothing here asks a cluster, a clock or a database, and no content makes it fail: what is
missing or of the wrong type is passed over.
"""
