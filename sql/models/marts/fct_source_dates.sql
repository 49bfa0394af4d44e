{{ config(schema=var('mart_schema'), materialized='incremental', pre_hook='{{ statsig_runs.delete_changed_runs() }}') }}

with histories as (

    select * from {{ ref('int_histories') }}
    where
        level = 'source_date'
        and run_id in ({{ runs_to_build() }})

),

stages as (

    select * from {{ ref('fct_source_date_stages') }}
    where run_id in ({{ runs_to_build() }})

),

runs as (

    select * from {{ ref('stg_ingestion_runs') }}

),

requested_dates as (

    select distinct
        run_id,
        date_stamp
    from {{ ref('stg_ingestion_run_date_stamps') }}
    where run_id in ({{ runs_to_build() }})

),

stage_seconds as (

    {{ stage_seconds('stages', ['run_id', 'source', 'date_stamp']) }}

),

final as (

    select
        histories.run_id,
        histories.source,
        histories.date_stamp,
        runs.created_at,
        {{ utc_date('runs.created_at') }} as created_date,
        runs.{{ identifier('trigger') }},
        requested_dates.run_id is not null as is_requested_date,
        histories.first_event_at,
        histories.last_event_at,
        {{ seconds_between('histories.first_event_at', 'histories.last_event_at') }} as total_seconds,
        stage_seconds.queue_seconds,
        stage_seconds.download_seconds,
        stage_seconds.metrics_seconds,
        stage_seconds.pulse_seconds,
        histories.error_count,
        histories.retry_count,
        histories.restart_count,
        histories.outcome,
        histories.first_error_at,
        histories.recovered_at,
        {{ seconds_between('histories.first_error_at', 'histories.recovered_at') }} as recovery_seconds,
        (histories.error_count > 0 and histories.outcome = 'succeeded') as is_recovered
    from histories
    inner join runs on histories.run_id = runs.run_id
    left join stage_seconds
        on
            histories.run_id = stage_seconds.run_id
            and histories.source = stage_seconds.source
            and histories.date_stamp = stage_seconds.date_stamp
    left join requested_dates
        on
            histories.run_id = requested_dates.run_id
            and histories.date_stamp = requested_dates.date_stamp

)

select * from final
