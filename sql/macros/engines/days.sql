{# Every calendar day from the first to the last day of a relation, as a subquery with one column `calendar_day`. Five digits
   make 100,000 days, or 273 years: no engine needs a series function of its own. #}
{% macro days_between_first_and_last(relation, day) -%}
    select {{ days_later('bounds.first_day', 'numbers.n') }} as calendar_day
    from (
        select min({{ day }}) as first_day, max({{ day }}) as last_day
        from {{ relation }}
    ) as bounds
    cross join (
        select ones.d + 10 * tens.d + 100 * hundreds.d + 1000 * thousands.d + 10000 * more.d as n
        from
        {%- for name in ['ones', 'tens', 'hundreds', 'thousands', 'more'] %}
            (
                {%- for digit in range(10) %}
                select {{ digit }} as d {{ 'union all' if not loop.last }}
                {%- endfor %}
            ) as {{ name }} {{ 'cross join' if not loop.last }}
        {%- endfor %}
    ) as numbers
    where {{ days_later('bounds.first_day', 'numbers.n') }} <= bounds.last_day
{%- endmacro %}


{# The calendar day so many days after another one. #}
{% macro days_later(day, days) -%}
    {{ return(adapter.dispatch('days_later', 'statsig_runs')(day, days)) }}
{%- endmacro %}

{% macro default__days_later(day, days) -%}
    cast({{ dbt.dateadd('day', days, day) }} as date)
{%- endmacro %}

{# dbt's own takes seconds and time zones into account, which a day has not. #}
{% macro spark__days_later(day, days) -%}
    cast(date_add({{ day }}, cast({{ days }} as int)) as date)
{%- endmacro %}
