-- The same event must be counted once on every floor: attempt, stage, and run or bucket; and no floor may hang in the air.
{%- set measures = ['error_count', 'retry_count', 'restart_count'] -%}
{%- set at_run_level = 'cast(null as ' ~ dbt.type_string() ~ ') as source, cast(null as date) as date_stamp' -%}
{%- set changed = 'run_id in (select run_id from ' ~ ref('int_changed_runs') ~ ')' %}

with floors as (

    select 'history' as floor, run_id, {{ at_run_level }}, {{ measures | join(', ') }}
    from {{ ref('fct_runs') }}
    where {{ changed }}

    union all

    select 'history' as floor, run_id, source, date_stamp, {{ measures | join(', ') }}
    from {{ ref('fct_source_dates') }}
    where {{ changed }}

    union all

    select 'stage' as floor, run_id, {{ at_run_level }}, {{ measures | join(', ') }}
    from {{ ref('fct_run_stages') }}
    where {{ changed }}

    union all

    select 'stage' as floor, run_id, source, date_stamp, {{ measures | join(', ') }}
    from {{ ref('fct_source_date_stages') }}
    where {{ changed }}

    union all

    select
        'attempt' as floor,
        run_id,
        source,
        date_stamp,
        case when outcome = 'error' then 1 else 0 end as error_count,
        case when kind = 'retry' then 1 else 0 end as retry_count,
        restart_count
    from {{ ref('fct_stage_attempts') }}
    where {{ changed }}

),

totals as (

    select
        run_id,
        source,
        date_stamp,
        {%- for floor in ['history', 'stage', 'attempt'] %}
        {%- for measure in measures %}
        sum(case when floor = '{{ floor }}' then {{ measure }} else 0 end) as {{ floor }}_{{ measure }},
        {%- endfor %}
        {%- endfor %}
        count(case when floor = 'history' then 1 end) as history_count,
        count(case when floor = 'stage' then 1 end) as stage_count,
        count(case when floor = 'attempt' then 1 end) as attempt_count
    from floors
    group by run_id, source, date_stamp

)

select * from totals
where
    history_count <> 1
    or (stage_count = 0 and attempt_count > 0)
    {%- for measure in measures %}
    or history_{{ measure }} <> stage_{{ measure }}
    or stage_{{ measure }} <> attempt_{{ measure }}
    {%- endfor %}
