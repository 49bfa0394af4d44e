{{ config(
    schema=var('mart_schema'),
    materialized='incremental',
    pre_hook="{{ statsig_runs.delete_changed_runs('int_judged_runs') }}",
    **statsig_runs.by_day()
) }}

with runs as (

    select * from {{ ref('stg_ingestion_runs') }}
    where run_id in ({{ runs_to_build('int_judged_runs') }})

),

sources as (

    select * from {{ ref('stg_ingestion_run_sources') }}
    where run_id in ({{ runs_to_build('int_judged_runs') }})

),

date_stamps as (

    select * from {{ ref('stg_ingestion_run_date_stamps') }}
    where run_id in ({{ runs_to_build('int_judged_runs') }})

),

histories as (

    select * from {{ ref('int_histories') }}
    where
        level = 'run'
        and run_id in ({{ runs_to_build('int_judged_runs') }})

),

final_statuses as (

    select * from {{ ref('int_final_statuses') }}

),

stages as (

    select * from {{ ref('fct_run_stages') }}
    where run_id in ({{ runs_to_build('int_judged_runs') }})

),

buckets as (

    select * from {{ ref('fct_source_dates') }}
    where run_id in ({{ runs_to_build('int_judged_runs') }})

),

-- the final status of a run is the one that all its sources have, if they have one
source_lists as (

    select
        sources.run_id,
        count(distinct sources.source) as source_count,
        case
            when
                count(*) = count(final_statuses.final_status)
                and min(final_statuses.final_status) = max(final_statuses.final_status)
                then min(final_statuses.final_status)
        end as final_status
    from sources
    left join final_statuses on sources.source = final_statuses.source
    group by sources.run_id

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
        count(outcome) as bucket_count,
        count(case when outcome = 'in_progress' then 1 end) as in_progress_count,
        count(case when outcome = 'succeeded' then 1 end) as succeeded_count,
        count(case when outcome = 'stalled' then 1 end) as stalled_count,
        min(first_event_at) as first_event_at,
        max(last_event_at) as last_event_at,
        min(first_error_at) as first_error_at,
        max(recovered_at) as recovered_at
    from buckets
    group by run_id

),

judged as (

    select
        histories.*,
        {{ outcome_of_history('source_lists.final_status') }} as outcome
    from histories
    left join source_lists on histories.run_id = source_lists.run_id

),

both_levels as (

    select
        runs.run_id,
        runs.{{ identifier('trigger') }},
        runs.created_at,
        runs.latest_status,
        runs.last_updated_at,
        runs.fetched_at,
        coalesce(source_lists.source_count, 0) as source_count,
        coalesce(date_counts.date_count, 0) as date_count,
        judged.first_event_at,
        judged.last_event_at,
        stage_seconds.queue_seconds,
        stage_seconds.download_seconds,
        stage_seconds.metrics_seconds,
        stage_seconds.pulse_seconds,
        stage_seconds.waiting_seconds,
        coalesce(judged.error_count, 0) as error_count,
        coalesce(judged.retry_count, 0) as retry_count,
        coalesce(judged.restart_count, 0) as restart_count,
        judged.outcome,
        case
            -- no data to go by: the run speaks for itself
            when coalesce(bucket_totals.bucket_count, 0) = 0 then judged.outcome
            -- something is still on its way
            when bucket_totals.in_progress_count > 0 then 'in_progress'
            -- all the data is in
            when bucket_totals.succeeded_count = bucket_totals.bucket_count then 'succeeded'
            -- nothing failed aloud: everything fell silent
            when bucket_totals.stalled_count = bucket_totals.bucket_count then 'stalled'
            -- no data is in, and for some of it we know that it failed
            when bucket_totals.succeeded_count = 0 then 'failed'
            -- some of the data is in
            else 'partial'
        end as effective_outcome,
        {{ earlier_of('judged.first_event_at', 'bucket_totals.first_event_at') }} as began_at,
        {{ later_of('judged.last_event_at', 'bucket_totals.last_event_at') }} as ended_at,
        {{ earlier_of('judged.first_error_at', 'bucket_totals.first_error_at') }} as first_error_at,
        {{ later_of('judged.recovered_at', 'bucket_totals.recovered_at') }} as last_recovered_at
    from runs
    left join judged on runs.run_id = judged.run_id
    left join source_lists on runs.run_id = source_lists.run_id
    left join date_counts on runs.run_id = date_counts.run_id
    left join stage_seconds on runs.run_id = stage_seconds.run_id
    left join bucket_totals on runs.run_id = bucket_totals.run_id

),

completions as (

    select
        *,
        case when effective_outcome <> 'in_progress' then ended_at end as completed_at,
        (first_error_at is not null and coalesce(effective_outcome, '') = 'succeeded') as is_recovered
    from both_levels

),

recoveries as (

    select
        *,
        case when is_recovered then coalesce(last_recovered_at, completed_at) end as recovered_at
    from completions

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
        waiting_seconds,
        error_count,
        retry_count,
        restart_count,
        outcome,
        effective_outcome,
        completed_at,
        {{ seconds_between('began_at', 'completed_at') }} as effective_seconds,
        is_recovered,
        first_error_at,
        recovered_at,
        {{ seconds_between('first_error_at', 'recovered_at') }} as recovery_seconds,
        coalesce(outcome, '') <> coalesce(effective_outcome, '') as has_level_mismatch
    from recoveries

)

select * from final
