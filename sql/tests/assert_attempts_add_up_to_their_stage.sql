-- The same event must be counted once on every floor: what the attempts of a stage count, the stage counts, and neither is
-- there without the other. Stages count up and attempts count down, so that one pass over both is enough.
{%- set changed = 'run_id in (select run_id from ' ~ ref('int_judged_runs') ~ ')' -%}
{%- set no_source = 'cast(null as ' ~ dbt.type_string() ~ ') as source' -%}
{%- set no_date_stamp = 'cast(null as date) as date_stamp' %}

with floors as (

    select run_id, {{ no_source }}, {{ no_date_stamp }}, stage, attempt_count, error_count, retry_count, restart_count
    from {{ ref('fct_run_stages') }}
    where {{ changed }}

    union all

    select run_id, source, date_stamp, stage, attempt_count, error_count, retry_count, restart_count
    from {{ ref('fct_source_date_stages') }}
    where {{ changed }}

    union all

    select
        run_id,
        source,
        date_stamp,
        stage,
        -1 as attempt_count,
        case when outcome = 'error' then -1 else 0 end as error_count,
        case when kind = 'retry' then -1 else 0 end as retry_count,
        -restart_count as restart_count
    from {{ ref('fct_stage_attempts') }}
    where {{ changed }}

)

select run_id, source, date_stamp, stage
from floors
group by run_id, source, date_stamp, stage
having
    sum(attempt_count) <> 0
    or sum(error_count) <> 0
    or sum(retry_count) <> 0
    or sum(restart_count) <> 0
