{{ config(schema=var('mart_schema')) }}

with buckets as (

    select * from {{ ref('fct_source_dates') }}

),

attempts as (

    select * from {{ ref('fct_stage_attempts') }}
    where
        level = 'source_date'
        and outcome = 'error'

),

listed_sources as (

    select * from {{ ref('stg_ingestion_run_sources') }}

),

runs as (

    select * from {{ ref('fct_runs') }}

),

freshness as (

    select * from {{ ref('fct_date_freshness') }}

),

newest_fetch as (

    select max(fetched_at) as fetched_at from runs

),

-- a source that a run lists and that never had a bucket is still one to look at
mentioned_sources as (

    select source from buckets

    union all

    select source from listed_sources

),

all_sources as (

    select distinct source from mentioned_sources

),

totals as (

    select
        source,
        max(created_at) as last_started_at,
        max(case when outcome = 'succeeded' then created_at end) as last_success_created_at,
        max(case when outcome = 'succeeded' then last_event_at end) as last_succeeded_at,
        max(case when outcome = 'failed' then last_event_at end) as last_failed_at
    from buckets
    group by source

),

-- nothing older than the newest success has a say in the health: no need to rank it
ranked as (

    select
        buckets.source,
        buckets.run_id,
        buckets.outcome,
        row_number() over (
            partition by buckets.source order by buckets.created_at desc, buckets.run_id desc, buckets.date_stamp desc
        ) as newest_first
    from buckets
    inner join totals on buckets.source = totals.source
    where
        totals.last_success_created_at is null
        or buckets.created_at >= totals.last_success_created_at

),

-- how far one must look back to the newest bucket of each kind
positions as (

    select
        source,
        max(case when newest_first = 1 then run_id end) as last_run_id,
        min(case when outcome = 'in_progress' then newest_first end) as newest_in_progress,
        min(case when outcome <> 'in_progress' then newest_first end) as newest_finished,
        min(case when outcome = 'succeeded' then newest_first end) as newest_succeeded
    from ranked
    group by source

),

streaks as (

    select
        positions.source,
        count(ranked.run_id) as consecutive_failures,
        max(case when ranked.newest_first = positions.newest_finished then ranked.outcome end) as unsuccessful_outcome
    from positions
    inner join ranked on positions.source = ranked.source
    where
        ranked.outcome <> 'in_progress'
        and (positions.newest_succeeded is null or ranked.newest_first < positions.newest_succeeded)
    group by positions.source

),

errors_since as (

    select
        totals.source,
        count(*) as error_count
    from totals
    inner join attempts on totals.source = attempts.source
    where
        totals.last_succeeded_at is null
        or attempts.ended_at > totals.last_succeeded_at
    group by totals.source

),

landed as (

    select
        source,
        max(date_stamp) as latest_landed_date
    from freshness
    where is_landed
    group by source

),

final as (

    select
        all_sources.source,
        case
            when positions.newest_finished is null then 'never_finished'
            when positions.newest_finished = positions.newest_succeeded then 'healthy'
            when positions.newest_in_progress < positions.newest_finished then 'recovering'
            when streaks.unsuccessful_outcome = 'stalled' then 'stalled'
            else 'failing'
        end as health,
        positions.last_run_id,
        totals.last_started_at,
        totals.last_succeeded_at,
        totals.last_failed_at,
        coalesce(streaks.consecutive_failures, 0) as consecutive_failures,
        coalesce(errors_since.error_count, 0) as errors_since_last_success,
        {{ seconds_between('totals.last_succeeded_at', 'newest_fetch.fetched_at') }} / 3600 as hours_since_success,
        landed.latest_landed_date
    from all_sources
    cross join newest_fetch
    left join totals on all_sources.source = totals.source
    left join positions on all_sources.source = positions.source
    left join streaks on all_sources.source = streaks.source
    left join errors_since on all_sources.source = errors_since.source
    left join landed on all_sources.source = landed.source

)

select * from final
