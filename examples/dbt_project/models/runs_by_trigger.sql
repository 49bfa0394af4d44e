-- A model of the team's own, on top of a mart of the package.
with agg_daily as (

    select * from {{ ref('statsig_runs', 'agg_daily') }}

),

runs_by_trigger as (

    select
        trigger,
        sum(run_count) as run_count
    from agg_daily
    group by trigger

)

select * from runs_by_trigger
