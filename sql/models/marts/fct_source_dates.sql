{{ config(
    schema=var('mart_schema'),
    materialized='incremental',
    pre_hook="{{ statsig_runs.delete_changed_runs('int_judged_runs') }}",
    **statsig_runs.by_day()
) }}

with histories as (

    select * from {{ ref('int_histories') }}
    where
        level = 'source_date'
        and run_id in ({{ runs_to_build('int_judged_runs') }})

),

stages as (

    select * from {{ ref('fct_source_date_stages') }}
    where run_id in ({{ runs_to_build('int_judged_runs') }})

),

runs as (

    select * from {{ ref('stg_ingestion_runs') }}

),

final_statuses as (

    select * from {{ ref('int_final_statuses') }}

),

requested_dates as (

    select distinct
        run_id,
        date_stamp
    from {{ ref('stg_ingestion_run_date_stamps') }}
    where run_id in ({{ runs_to_build('int_judged_runs') }})

),

stage_seconds as (

    {{ stage_seconds('stages', ['run_id', 'source', 'date_stamp']) }}

),

judged as (

    select
        histories.*,
        {{ outcome_of_history('final_statuses.final_status') | indent(0) }} as outcome
    from histories
    left join final_statuses on histories.source = final_statuses.source

),

final as (

    select
        judged.run_id,
        judged.source,
        judged.date_stamp,
        runs.created_at,
        {{ utc_date('runs.created_at') }} as created_date,
        runs.{{ identifier('trigger') }},
        requested_dates.run_id is not null as is_requested_date,
        judged.first_event_at,
        judged.last_event_at,
        {{ seconds_between('judged.first_event_at', 'judged.last_event_at') }} as total_seconds,
        stage_seconds.queue_seconds,
        stage_seconds.download_seconds,
        stage_seconds.metrics_seconds,
        stage_seconds.pulse_seconds,
        stage_seconds.waiting_seconds,
        judged.error_count,
        judged.retry_count,
        judged.restart_count,
        judged.outcome,
        judged.first_error_at,
        judged.recovered_at,
        {{ seconds_between('judged.first_error_at', 'judged.recovered_at') }} as recovery_seconds,
        (judged.error_count > 0 and judged.outcome = 'succeeded') as is_recovered
    from judged
    inner join runs on judged.run_id = runs.run_id
    left join stage_seconds
        on
            judged.run_id = stage_seconds.run_id
            and judged.source = stage_seconds.source
            and judged.date_stamp = stage_seconds.date_stamp
    left join requested_dates
        on
            judged.run_id = requested_dates.run_id
            and judged.date_stamp = requested_dates.date_stamp

)

select * from final
