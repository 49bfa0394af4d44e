{{ config(schema=var('staging_schema')) }}

-- All that decides what a run's rows in the marts are: its record, its payloads, the settings and the code.

with runs as (

    select * from {{ ref('stg_ingestion_runs') }}

),

payloads as (

    select * from {{ ref('stg_run_payloads') }}

),

status_catalogue as (

    select * from {{ ref('status_catalogue') }}

),

settings as (

    select
        {{ dbt.hash(
            "'" ~ build_settings() ~ "' || coalesce("
            ~ sorted_list("status || ',' || stage || ',' || phase") ~ ", '')"
        ) }} as settings_hash
    from status_catalogue

),

-- a run that was read last at the same time as a payload has that payload
payloads_per_run as (

    select
        payloads.run_id,
        count(*) as payload_count,
        max(payloads.fetched_at) as newest_payload_at,
        max(case when payloads.fetched_at = runs.fetched_at then payloads.content_hash end) as content_hash
    from payloads
    inner join runs on payloads.run_id = runs.run_id
    group by payloads.run_id

),

final as (

    select
        runs.run_id,
        runs.latest_status,
        runs.{{ identifier('trigger') }},
        runs.created_at,
        runs.last_updated_at,
        runs.fetched_at,
        payloads_per_run.payload_count,
        payloads_per_run.newest_payload_at,
        payloads_per_run.content_hash,
        settings.settings_hash
    from runs
    cross join settings
    left join payloads_per_run on runs.run_id = payloads_per_run.run_id

)

select * from final
