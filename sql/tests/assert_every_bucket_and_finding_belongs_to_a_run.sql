-- A row of a run that is gone would be counted and never explained.

with runs as (

    select run_id from {{ ref('fct_runs') }}

),

rows_of_runs as (

    select
        'fct_source_dates' as mart,
        run_id
    from {{ ref('fct_source_dates') }}
    where run_id in (select run_id from {{ ref('int_judged_runs') }})

    union all

    select
        'dq_findings' as mart,
        run_id
    from {{ ref('dq_findings') }}
    where run_id in (select run_id from {{ ref('int_judged_runs') }})

)

select
    rows_of_runs.mart,
    rows_of_runs.run_id
from rows_of_runs
left join runs on rows_of_runs.run_id = runs.run_id
where runs.run_id is null
