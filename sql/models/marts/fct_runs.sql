{{ config(schema=var('mart_schema'), materialized='incremental', pre_hook='{{ statsig_runs.delete_changed_runs() }}') }}

with runs as (

    select * from {{ ref('stg_ingestion_runs') }}
    where run_id in ({{ runs_to_build() }})

),

sources as (

    select * from {{ ref('stg_ingestion_run_sources') }}
    where run_id in ({{ runs_to_build() }})

),

date_stamps as (

    select * from {{ ref('stg_ingestion_run_date_stamps') }}
    where run_id in ({{ runs_to_build() }})

),

histories as (

    select * from {{ ref('int_histories') }}
    where
        level = 'run'
        and run_id in ({{ runs_to_build() }})

),

stages as (

    select * from {{ ref('fct_run_stages') }}
    where run_id in ({{ runs_to_build() }})

),

buckets as (

    select * from {{ ref('fct_source_dates') }}
    where run_id in ({{ runs_to_build() }})

),

source_counts as (

    select
        run_id,
        count(distinct source) as source_count
    from sources
    group by run_id

),

date_counts as (

    select
        run_id,
        count(distinct date_stamp) as date_count
    from date_stamps
    group by run_id

),

stage_seconds as (

    {{ stage_seconds('stages', ['run_id']) }}

),

bucket_totals as (

    select
        run_id,
        count(*) as bucket_count,
        count(case when outcome = 'in_progress' then 1 end) as in_progress_count,
        count(case when outcome = 'succeeded' then 1 end) as succeeded_count,
        min(first_error_at) as first_error_at,
        max(recovered_at) as recovered_at
    from buckets
    group by run_id

),

both_levels as (

    select
        runs.run_id,
        runs.{{ identifier('trigger') }},
        runs.created_at,
        runs.latest_status,
        runs.last_updated_at,
        runs.fetched_at,
        coalesce(source_counts.source_count, 0) as source_count,
        coalesce(date_counts.date_count, 0) as date_count,
        histories.first_event_at,
        histories.last_event_at,
        stage_seconds.queue_seconds,
        stage_seconds.download_seconds,
        stage_seconds.metrics_seconds,
        stage_seconds.pulse_seconds,
        coalesce(histories.error_count, 0) as error_count,
        coalesce(histories.retry_count, 0) as retry_count,
        coalesce(histories.restart_count, 0) as restart_count,
        histories.outcome,
        case
            when bucket_totals.bucket_count is null then histories.outcome
            when bucket_totals.in_progress_count > 0 then 'in_progress'
            when bucket_totals.succeeded_count = bucket_totals.bucket_count then 'succeeded'
            when bucket_totals.succeeded_count = 0 then 'failed'
            else 'partial'
        end as effective_outcome,
        -- the earlier of the two, either of which may be missing
        case
            when histories.first_error_at < bucket_totals.first_error_at then histories.first_error_at
            else coalesce(bucket_totals.first_error_at, histories.first_error_at)
        end as first_error_at,
        coalesce(bucket_totals.recovered_at, histories.recovered_at) as last_recovered_at
    from runs
    left join histories on runs.run_id = histories.run_id
    left join source_counts on runs.run_id = source_counts.run_id
    left join date_counts on runs.run_id = date_counts.run_id
    left join stage_seconds on runs.run_id = stage_seconds.run_id
    left join bucket_totals on runs.run_id = bucket_totals.run_id

),

recoveries as (

    select
        *,
        (first_error_at is not null and coalesce(effective_outcome, '') = 'succeeded') as is_recovered
    from both_levels

),

final as (

    select
        run_id,
        {{ identifier('trigger') }},
        created_at,
        {{ utc_date('created_at') }} as created_date,
        latest_status,
        last_updated_at,
        fetched_at,
        source_count,
        date_count,
        first_event_at,
        last_event_at,
        {{ seconds_between('first_event_at', 'last_event_at') }} as total_seconds,
        queue_seconds,
        download_seconds,
        metrics_seconds,
        pulse_seconds,
        error_count,
        retry_count,
        restart_count,
        outcome,
        effective_outcome,
        is_recovered,
        first_error_at,
        case when is_recovered then last_recovered_at end as recovered_at,
        case when is_recovered then {{ seconds_between('first_error_at', 'last_recovered_at') }} end
            as recovery_seconds,
        coalesce(outcome, '') <> coalesce(effective_outcome, '') as has_level_mismatch
    from recoveries

)

select * from final
