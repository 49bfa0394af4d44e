{{ config(schema=var('mart_schema'), tags='as_of_newest_fetch') }}

-- Large tables are named where they are read: engines keep the rows of what a `with` names and two places read.

with buckets as (

    select * from {{ ref('fct_source_dates') }}

),

implausible_times as (

    select * from {{ ref('int_implausible_times') }}

),

in_flight as (

    select * from {{ ref('fct_runs') }}
    where effective_outcome = 'in_progress'

),

-- A run is compared with the runs that list the same sources. To find these, each list of sources that is in flight is
-- written as one text, and one run that has it serves as the example.
source_lists as (

    select
        in_flight.run_id,
        in_flight.source_count,
        coalesce({{ sorted_list('listed_sources.source') }}, '') as source_list
    from in_flight
    left join {{ ref('stg_ingestion_run_sources') }} as listed_sources on in_flight.run_id = listed_sources.run_id
    group by in_flight.run_id, in_flight.source_count

),

examples as (

    select
        source_list,
        max(source_count) as source_count,
        max(run_id) as run_id
    from source_lists
    group by source_list

),

shared_sources as (

    select
        examples.source_list,
        listed_sources.run_id,
        count(*) as shared_count
    from examples
    inner join {{ ref('stg_ingestion_run_sources') }} as example_sources on examples.run_id = example_sources.run_id
    inner join {{ ref('stg_ingestion_run_sources') }} as listed_sources on example_sources.source = listed_sources.source
    group by examples.source_list, listed_sources.run_id

),

-- no run that was created, or had an event, at a time that cannot be
timed_well as (

    select * from {{ ref('fct_runs') }}
    where
        effective_outcome = 'succeeded'
        and run_id not in (select run_id from implausible_times where place in ('created_at', 'event'))

),

-- a run has the same list as the example when it has as many sources, and all of them are the example's
comparable as (

    select
        examples.source_list,
        timed_well.effective_seconds,
        row_number() over (
            partition by examples.source_list order by timed_well.created_at desc, timed_well.run_id desc
        ) as position
    from timed_well
    inner join examples on timed_well.source_count = examples.source_count
    left join shared_sources
        on
            examples.source_list = shared_sources.source_list
            and timed_well.run_id = shared_sources.run_id
    where coalesce(shared_sources.shared_count, 0) = examples.source_count

),

percentiles as (

    select
        source_list,
        count(*) as run_count,
        {{ percentile(0.5, 'effective_seconds') }} as p50_seconds,
        {{ percentile(0.95, 'effective_seconds') }} as p95_seconds
    from comparable
    where position <= 100
    group by source_list

),

-- five runs tell what is usual, twenty what is rare
expectations as (

    select
        source_list,
        case when run_count >= 5 then p50_seconds end as p50_seconds,
        case when run_count >= 20 then p95_seconds end as p95_seconds
    from percentiles

),

-- Where a run is: its own history tells, while that is in progress. Else its buckets in progress do, the one with the
-- newest event first.
open_histories as (

    select
        histories.run_id,
        histories.level,
        histories.source,
        histories.date_stamp,
        histories.last_stage,
        histories.last_event_at
    from {{ ref('int_histories') }} as histories
    inner join in_flight on histories.run_id = in_flight.run_id
    where
        histories.level = 'run'
        and in_flight.outcome = 'in_progress'

    union all

    select
        histories.run_id,
        histories.level,
        histories.source,
        histories.date_stamp,
        histories.last_stage,
        histories.last_event_at
    from {{ ref('int_histories') }} as histories
    inner join in_flight on histories.run_id = in_flight.run_id
    inner join buckets
        on
            histories.run_id = buckets.run_id
            and histories.source = buckets.source
            and histories.date_stamp = buckets.date_stamp
    where
        histories.level = 'source_date'
        and buckets.outcome = 'in_progress'

),

places as (

    select
        run_id,
        last_stage,
        row_number() over (
            partition by run_id
            order by level, last_event_at desc, source, date_stamp
        ) as preference
    from open_histories

),

created_at_odd_times as (

    select run_id from implausible_times
    where place = 'created_at'

),

expected as (

    select
        in_flight.run_id,
        in_flight.created_at,
        -- nothing follows from a creation time that cannot be
        case when created_at_odd_times.run_id is null then in_flight.created_at end as plausibly_created_at,
        places.last_stage as current_stage,
        {{ seconds_between('in_flight.created_at', 'in_flight.fetched_at') }} as elapsed_seconds,
        expectations.p50_seconds as expected_p50_seconds,
        expectations.p95_seconds as expected_p95_seconds
    from in_flight
    inner join source_lists on in_flight.run_id = source_lists.run_id
    left join created_at_odd_times on in_flight.run_id = created_at_odd_times.run_id
    left join expectations on source_lists.source_list = expectations.source_list
    left join places
        on
            in_flight.run_id = places.run_id
            and places.preference = 1

),

final as (

    select
        run_id,
        created_at,
        current_stage,
        elapsed_seconds,
        expected_p50_seconds,
        expected_p95_seconds,
        case when plausibly_created_at is not null then elapsed_seconds > expected_p95_seconds end as is_late,
        {{ add_seconds('plausibly_created_at', 'expected_p50_seconds') }} as expected_at
    from expected

)

select * from final
