"""The batch job: what one command does from its first request to the published copy.

sync         plan, fetch, load, model, publish
clock        what a clock that ran ahead has left, mended first
replay       the same from payloads at hand, without a request
archive      payloads in a file, one after the other
json_cutter  values out of lines that hold more than one, or less
refresh      from raw tables to what people read
wait         sync or look until one date of one source is in
messages     what these do with the ingestion status
summary      what one job did, counted
progress     how far it is, for a terminal or a log
demo         a sync against the local Console API
doctor       whether everything is there that a sync needs
"""
