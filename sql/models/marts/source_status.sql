{{ config(schema=var('mart_schema'), tags='as_of_newest_fetch') }}

-- The buckets are named where they are read: engines keep the rows of what a `with` names and two places read.

with listed_sources as (

    select * from {{ ref('stg_ingestion_run_sources') }}

),

runs as (

    select * from {{ ref('fct_runs') }}

),

freshness as (

    select * from {{ ref('fct_date_freshness') }}

),

reports as (

    select * from {{ ref('fct_source_date_reports') }}

),

message_times as (

    select * from {{ ref('int_status_reports') }}

),

final_statuses as (

    select * from {{ ref('int_final_statuses') }}

),

implausible_times as (

    select * from {{ ref('int_implausible_times') }}

),

created_at_odd_times as (

    select run_id from implausible_times
    where place = 'created_at'

),

ended_oddly as (

    select
        run_id,
        source,
        date_stamp
    from implausible_times
    where is_last_event

),

now as (

    select
        max(fetched_at) as now_at,
        {{ days_later(ingestion_day('max(fetched_at)'), -1) }} as newest_ended_date
    from runs

),

buckets as (

    select
        source_dates.source,
        source_dates.outcome,
        case when created_at_odd_times.run_id is null then source_dates.created_at end as ordered_at,
        case when ended_oddly.run_id is null then source_dates.last_event_at end as last_event_at
    from {{ ref('fct_source_dates') }} as source_dates
    left join created_at_odd_times on source_dates.run_id = created_at_odd_times.run_id
    left join ended_oddly
        on
            source_dates.run_id = ended_oddly.run_id
            and source_dates.source = ended_oddly.source
            and source_dates.date_stamp = ended_oddly.date_stamp

),

totals as (

    select
        source,
        max(case when outcome = 'succeeded' then ordered_at end) as last_success_ordered_at,
        max(case when outcome = 'succeeded' then last_event_at end) as last_succeeded_at,
        max(case when outcome = 'failed' then last_event_at end) as last_failed_at
    from buckets
    group by source

),

-- a source that a run lists and that never had a bucket is still one to look at
mentioned_sources as (

    select source from totals

    union all

    select source from listed_sources

),

all_sources as (

    select distinct source from mentioned_sources

),

-- nothing older than the newest success has a say in the health
recent as (

    select
        buckets.source,
        buckets.run_id,
        buckets.date_stamp,
        buckets.created_at,
        buckets.outcome,
        buckets.error_count,
        case when created_at_odd_times.run_id is null then buckets.created_at end as ordered_at
    from {{ ref('fct_source_dates') }} as buckets
    inner join totals on buckets.source = totals.source
    left join created_at_odd_times on buckets.run_id = created_at_odd_times.run_id
    where
        totals.last_success_ordered_at is null
        or (created_at_odd_times.run_id is null and buckets.created_at >= totals.last_success_ordered_at)

),

ranked as (

    select
        *,
        row_number() over (partition by source order by {{ newest_first(['run_id', 'date_stamp']) }}) as position
    from recent

),

-- how far one must look back to the newest bucket of each kind
positions as (

    select
        source,
        max(case when position = 1 then run_id end) as last_run_id,
        max(case when position = 1 then created_at end) as last_started_at,
        min(case when outcome = 'in_progress' then position end) as newest_in_progress,
        min(case when outcome <> 'in_progress' then position end) as newest_finished,
        min(case when outcome = 'succeeded' then position end) as newest_succeeded
    from ranked
    group by source

),

since_success as (

    select
        positions.source,
        count(case when ranked.outcome <> 'in_progress' then 1 end) as failure_count,
        cast(sum(ranked.error_count) as {{ dbt.type_bigint() }}) as error_count,
        max(case when ranked.position = positions.newest_finished then ranked.outcome end) as unsuccessful_outcome
    from positions
    inner join ranked on positions.source = ranked.source
    where
        positions.newest_succeeded is null
        or ranked.position < positions.newest_succeeded
    group by positions.source

),

-- a date that cannot be has no expected_by, and no say here
recent_dates as (

    select
        freshness.source,
        freshness.date_stamp,
        freshness.is_landed,
        freshness.is_overdue,
        freshness.date_stamp <= now.newest_ended_date as has_ended,
        freshness.date_stamp > {{ days_later('now.newest_ended_date', 0 - var('completeness_days')) }} as is_recent
    from freshness
    cross join now
    where freshness.expected_by is not null

),

completeness as (

    select
        source,
        max(case when is_landed then date_stamp end) as latest_landed_date,
        max(case when is_landed and has_ended then date_stamp end) as latest_ended_landed_date,
        count(case when is_recent and is_overdue then 1 end) as overdue_date_count,
        min(case when is_recent and is_overdue then date_stamp end) as oldest_overdue_date,
        min(case when is_recent and has_ended and not is_landed then date_stamp end) as oldest_open_date
    from recent_dates
    group by source

),

-- of the newest message that is an error, as it is ordered
open_errors as (

    select
        reports.source,
        reports.error_status,
        reports.error_message,
        row_number() over (
            partition by reports.source
            order by
                case when message_times.ordered_at is null then 1 else 0 end,
                message_times.ordered_at desc,
                reports.date_stamp desc
        ) as position
    from reports
    inner join message_times
        on
            reports.source = message_times.source
            and reports.date_stamp = message_times.date_stamp
            and message_times.is_newest_error
    where reports.is_error_open

),

final as (

    select
        all_sources.source,
        case
            -- no bucket has come to an end yet
            when positions.newest_finished is null then 'never_finished'
            -- the newest that has come to an end is in, but a date that should be in is not
            when positions.newest_finished = positions.newest_succeeded and completeness.overdue_date_count > 0
                then 'incomplete'
            -- the newest that has come to an end is in, and nothing is overdue
            when positions.newest_finished = positions.newest_succeeded then 'healthy'
            -- the newest that has come to an end is not in, and a newer one is under way: wait for it
            when positions.newest_in_progress < positions.newest_finished then 'recovering'
            -- it fell silent, and nothing is under way
            when since_success.unsuccessful_outcome = 'stalled' then 'stalled'
            -- it failed, and nothing is under way
            else 'failing'
        end as health,
        positions.last_run_id,
        positions.last_started_at,
        totals.last_succeeded_at,
        totals.last_failed_at,
        coalesce(since_success.failure_count, 0) as consecutive_failures,
        coalesce(since_success.error_count, 0) as errors_since_last_success,
        {{ seconds_between('totals.last_succeeded_at', 'now.now_at') }} / 3600 as hours_since_success,
        final_statuses.final_status,
        completeness.latest_landed_date,
        coalesce(completeness.overdue_date_count, 0) as overdue_date_count,
        completeness.oldest_overdue_date,
        case
            when completeness.oldest_open_date is not null then {{ days_later('completeness.oldest_open_date', -1) }}
            else completeness.latest_ended_landed_date
        end as complete_through_date,
        open_errors.error_message as last_error_message,
        open_errors.error_status as last_error_status
    from all_sources
    cross join now
    left join totals on all_sources.source = totals.source
    left join positions on all_sources.source = positions.source
    left join since_success on all_sources.source = since_success.source
    left join completeness on all_sources.source = completeness.source
    left join final_statuses on all_sources.source = final_statuses.source
    left join open_errors
        on
            all_sources.source = open_errors.source
            and open_errors.position = 1

)

select * from final
