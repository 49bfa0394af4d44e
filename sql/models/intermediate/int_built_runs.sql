{{ config(
    schema=var('staging_schema'),
    materialized='incremental',
    enabled=var('records_builds'),
    pre_hook="{{ statsig_runs.delete_changed_runs('int_judged_runs') }}",
) }}

-- Which build wrote a run's rows last. A copy of the marts that keeps these ids knows which runs it has to fetch again.

with judged_runs as (

    select * from {{ ref('int_judged_runs') }}

),

runs as (

    select * from {{ ref('stg_ingestion_runs') }}

),

built as (

    select
        runs.run_id,
        runs.created_at,
        '{{ invocation_id }}' as build_id
    from runs
    inner join judged_runs on runs.run_id = judged_runs.run_id

)

select * from built
