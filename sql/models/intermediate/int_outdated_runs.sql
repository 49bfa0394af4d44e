{{ config(schema=var('staging_schema')) }}

-- The runs whose rows a build has still to make. A run that was only read again, with nothing new, is one of them where
-- the later fetch decides something.

with differing_runs as (

    select * from {{ ref('int_differing_runs') }}

),

histories as (

    select * from {{ ref('int_histories') }}

),

implausible_times as (

    select * from {{ ref('int_implausible_times') }}

),

changed as (

    select run_id from differing_runs
    where is_changed

),

read_again as (

    select
        run_id,
        fetched_at
    from differing_runs
    where not is_changed

),

-- a history that fell silent long enough before the newest fetch, and not before the one that was modelled
settled_since as (

    select histories.run_id
    from histories
    inner join read_again on histories.run_id = read_again.run_id
    where
        not histories.is_settled
        and {{ is_settled('histories.last_event_at', 'read_again.fetched_at') }}

),

-- a time that could not be when the run was modelled may be possible by now
timed_oddly as (

    select implausible_times.run_id
    from implausible_times
    inner join read_again on implausible_times.run_id = read_again.run_id

),

outdated as (

    select run_id from changed

    union all

    select run_id from settled_since

    union all

    select run_id from timed_oddly

),

final as (

    select distinct run_id from outdated

)

select * from final
