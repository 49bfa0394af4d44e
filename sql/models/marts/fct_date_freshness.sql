{{ config(schema=var('mart_schema'), tags='as_of_newest_fetch') }}

-- The buckets are named where they are read: engines keep the rows of what a `with` names and two places read.

with runs as (

    select * from {{ ref('fct_runs') }}

),

final_statuses as (

    select * from {{ ref('int_final_statuses') }}

),

implausible_times as (

    select * from {{ ref('int_implausible_times') }}

),

reports as (

    select * from {{ ref('fct_source_date_reports') }}

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

of_odd_dates as (

    select
        run_id,
        source,
        date_stamp
    from implausible_times
    where place = 'date'

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
        source_dates.date_stamp,
        case when created_at_odd_times.run_id is null then source_dates.created_at end as ordered_at,
        case when source_dates.outcome = 'succeeded' then 1 else 0 end as has_succeeded,
        case when source_dates.outcome = 'succeeded' and ended_oddly.run_id is null then source_dates.last_event_at end
            as succeeded_at,
        case when of_odd_dates.run_id is null then 1 else 0 end as is_plausible,
        case when of_odd_dates.run_id is null and source_dates.is_requested_date then 1 else 0 end as is_asked_for
    from {{ ref('fct_source_dates') }} as source_dates
    left join created_at_odd_times on source_dates.run_id = created_at_odd_times.run_id
    left join ended_oddly
        on
            source_dates.run_id = ended_oddly.run_id
            and source_dates.source = ended_oddly.source
            and source_dates.date_stamp = ended_oddly.date_stamp
    left join of_odd_dates
        on
            source_dates.run_id = of_odd_dates.run_id
            and source_dates.source = of_odd_dates.source
            and source_dates.date_stamp = of_odd_dates.date_stamp

),

named as (

    select
        source,
        date_stamp,
        count(*) as run_count,
        max(ordered_at) as latest_ordered_at,
        min(succeeded_at) as first_succeeded_at,
        max(has_succeeded) as has_succeeded,
        max(is_plausible) as is_plausible,
        max(is_asked_for) as is_asked_for
    from buckets
    group by source, date_stamp

),

-- one bucket a date, or a few that were created in the same instant: no need to rank them all
newest as (

    select
        buckets.source,
        buckets.date_stamp,
        buckets.run_id,
        buckets.outcome,
        row_number() over (
            partition by buckets.source, buckets.date_stamp order by buckets.run_id desc
        ) as position
    from {{ ref('fct_source_dates') }} as buckets
    inner join named
        on
            buckets.source = named.source
            and buckets.date_stamp = named.date_stamp
            and (buckets.created_at = named.latest_ordered_at or named.latest_ordered_at is null)
    left join created_at_odd_times on buckets.run_id = created_at_odd_times.run_id
    where
        created_at_odd_times.run_id is null
        or named.latest_ordered_at is null

),

first_dates as (

    select
        source,
        min(date_stamp) as first_date
    from named
    where is_asked_for = 1
    group by source

),

-- a date that was asked for speaks for the same weekday of the next eight weeks, and for no other date: so every date that
-- can be expected is found here, and no calendar is needed
weekday_votes as (

    select
        named.source,
        {{ days_later('named.date_stamp', '7 * weeks.n') }} as date_stamp,
        count(*) as vote_count
    from named
    cross join {{ numbers(8) }} as weeks
    where named.is_asked_for = 1
    group by named.source, {{ days_later('named.date_stamp', '7 * weeks.n') }}

),

week_counts as (

    select
        weekday_votes.source,
        weekday_votes.date_stamp,
        weekday_votes.vote_count,
        {{ days_between('first_dates.first_date', 'weekday_votes.date_stamp') }} as days_known
    from weekday_votes
    inner join first_dates on weekday_votes.source = first_dates.source

),

-- more than half of the weeks, of eight or as many as the source is known for: both sides times fourteen
expected as (

    select
        source,
        date_stamp
    from week_counts
    where vote_count * 14 > case when days_known > 56 then 56 else days_known - mod(days_known, 7) end

),

to_show as (

    select
        source,
        date_stamp
    from named

    union all

    select
        expected.source,
        expected.date_stamp
    from expected
    cross join now
    left join named
        on
            expected.source = named.source
            and expected.date_stamp = named.date_stamp
    where
        named.source is null
        and expected.date_stamp <= now.newest_ended_date
        and expected.date_stamp >= {{ days_later('now.newest_ended_date', -400) }}

),

dates as (

    select
        to_show.source,
        to_show.date_stamp,
        coalesce(named.run_count, 0) as run_count,
        newest.run_id as latest_run_id,
        newest.outcome as latest_outcome,
        named.first_succeeded_at,
        coalesce(named.has_succeeded, 0) = 1 as is_landed,
        -- a date that cannot be has no end, and nothing is expected of it
        (expected.source is not null and coalesce(named.is_plausible, 1) = 1) as is_expected,
        case when coalesce(named.is_plausible, 1) = 1 then {{ end_of_ingestion_day('to_show.date_stamp') }} end
            as day_ended_at
    from to_show
    left join named
        on
            to_show.source = named.source
            and to_show.date_stamp = named.date_stamp
    left join newest
        on
            to_show.source = newest.source
            and to_show.date_stamp = newest.date_stamp
            and newest.position = 1
    left join expected
        on
            to_show.source = expected.source
            and to_show.date_stamp = expected.date_stamp

),

lags as (

    select
        source,
        date_stamp,
        {{ seconds_between('day_ended_at', 'first_succeeded_at') }} as landing_lag_seconds
    from dates
    where
        day_ended_at is not null
        and first_succeeded_at is not null

),

-- a date that landed speaks for the next 28
habits as (

    select
        lags.source,
        {{ days_later('lags.date_stamp', 'days.n') }} as date_stamp,
        count(*) as landed_count,
        {{ percentile(0.95, 'lags.landing_lag_seconds') }} as usual_lag_seconds
    from lags
    cross join {{ numbers(28) }} as days
    group by lags.source, {{ days_later('lags.date_stamp', 'days.n') }}

),

allowances as (

    select
        dates.*,
        {{ var('overdue_grace_hours') }} * 3600.0
        + case
            -- too few have landed to speak of a habit
            when coalesce(habits.landed_count, 0) < 5 then 48 * 3600
            -- a hole that was filled three weeks later is no habit
            when habits.usual_lag_seconds > 168 * 3600 then 168 * 3600
            else habits.usual_lag_seconds
        end
        -- without a final status, success is known only once the history has settled
        + case when final_statuses.final_status is null then {{ var('settle_hours') }} * 3600.0 else 0 end
            as allowed_seconds
    from dates
    left join habits
        on
            dates.source = habits.source
            and dates.date_stamp = habits.date_stamp
    left join final_statuses on dates.source = final_statuses.source

),

expectations as (

    select
        *,
        {{ add_seconds('day_ended_at', 'allowed_seconds') }} as expected_by
    from allowances

),

judged as (

    select
        expectations.*,
        (not expectations.is_landed and coalesce(now.now_at >= expectations.expected_by, false)) as is_overdue
    from expectations
    cross join now

),

final as (

    select
        judged.source,
        judged.date_stamp,
        judged.run_count,
        judged.latest_run_id,
        judged.latest_outcome,
        judged.first_succeeded_at,
        {{ seconds_between('judged.day_ended_at', 'judged.first_succeeded_at') }} as landing_lag_seconds,
        judged.is_landed,
        judged.day_ended_at,
        judged.is_expected,
        judged.expected_by,
        judged.is_overdue,
        case
            -- its runs have succeeded, and no data came
            when judged.is_landed and reports.is_empty then 'empty'
            -- the data is in, whatever a later run did to it
            when judged.is_landed then 'landed'
            -- some run has the date: what came of it
            when judged.latest_outcome is not null then judged.latest_outcome
            -- no run has it, and its time is over
            when judged.is_overdue then 'missing'
            -- no run has it yet
            else 'awaited'
        end as state,
        reports.row_count,
        reports.metric_count,
        reports.reported_status,
        reports.error_message
    from judged
    left join reports
        on
            judged.source = reports.source
            and judged.date_stamp = reports.date_stamp

)

select * from final
