{{ config(schema=var('staging_schema'), materialized='table') }}

-- The runs whose outcomes this build works out: those that changed, and those with a history that ends in a complete status
-- while a final status that decides about it has changed. Everything else of the latter stays as it is.

with changed_runs as (

    select * from {{ ref('int_changed_runs') }}

),

changed_sources as (

    select source from {{ ref('int_final_statuses') }}
    where is_changed

),

listed_sources as (

    select * from {{ ref('stg_ingestion_run_sources') }}

),

undecided as (

    select * from {{ ref('int_histories') }}
    where
        last_attempt_outcome = 'complete'
        and not {{ is_terminal_success('last_status') }}

),

concerned as (

    select undecided.run_id
    from undecided
    inner join changed_sources on undecided.source = changed_sources.source
    where undecided.level = 'source_date'

    union all

    select undecided.run_id
    from undecided
    inner join listed_sources on undecided.run_id = listed_sources.run_id
    inner join changed_sources on listed_sources.source = changed_sources.source
    where undecided.level = 'run'

),

final as (

    select
        run_id,
        is_gone
    from changed_runs

    union all

    select distinct
        run_id,
        false as is_gone
    from concerned
    where run_id not in (select run_id from changed_runs)

)

select * from final
