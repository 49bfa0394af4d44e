{{ config(schema=var('mart_schema')) }}

with runs as (

    select * from {{ ref('fct_runs') }}

),

listed_sources as (

    select * from {{ ref('stg_ingestion_run_sources') }}

),

histories as (

    select * from {{ ref('int_histories') }}

),

in_flight as (

    select * from runs
    where effective_outcome = 'in_progress'

),

-- a run takes as long as others of the same sources: of each list of sources that is in flight, one run is compared
-- with all that succeeded, source by source
source_lists as (

    select
        in_flight.run_id,
        in_flight.source_count,
        coalesce({{ sorted_list('listed_sources.source') }}, '') as source_list
    from in_flight
    left join listed_sources on in_flight.run_id = listed_sources.run_id
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
    inner join listed_sources as example_sources on examples.run_id = example_sources.run_id
    inner join listed_sources on example_sources.source = listed_sources.source
    group by examples.source_list, listed_sources.run_id

),

comparable as (

    select
        examples.source_list,
        runs.total_seconds
    from runs
    inner join examples on runs.source_count = examples.source_count
    left join shared_sources
        on
            examples.source_list = shared_sources.source_list
            and runs.run_id = shared_sources.run_id
    where
        runs.effective_outcome = 'succeeded'
        and coalesce(shared_sources.shared_count, 0) = examples.source_count

),

expectations as (

    select
        source_list,
        {{ percentile(0.5, 'total_seconds') }} as p50_seconds,
        {{ percentile(0.95, 'total_seconds') }} as p95_seconds
    from comparable
    group by source_list
    having count(total_seconds) >= 5

),

-- where the run is: its own history tells while it is open, else the buckets that are still open
open_histories as (

    select
        histories.run_id,
        histories.last_stage,
        row_number() over (
            partition by histories.run_id
            order by histories.level, histories.last_event_at desc, histories.source, histories.date_stamp
        ) as preference
    from histories
    inner join in_flight on histories.run_id = in_flight.run_id
    where histories.outcome = 'in_progress'

),

expected as (

    select
        in_flight.run_id,
        in_flight.created_at,
        open_histories.last_stage as current_stage,
        {{ seconds_between('in_flight.created_at', 'in_flight.fetched_at') }} as elapsed_seconds,
        expectations.p50_seconds as expected_p50_seconds,
        expectations.p95_seconds as expected_p95_seconds
    from in_flight
    inner join source_lists on in_flight.run_id = source_lists.run_id
    left join expectations on source_lists.source_list = expectations.source_list
    left join open_histories
        on
            in_flight.run_id = open_histories.run_id
            and open_histories.preference = 1

),

final as (

    select
        run_id,
        created_at,
        current_stage,
        elapsed_seconds,
        expected_p50_seconds,
        expected_p95_seconds,
        elapsed_seconds > expected_p95_seconds as is_late,
        {{ add_seconds('created_at', 'expected_p50_seconds') }} as expected_at
    from expected

)

select * from final
